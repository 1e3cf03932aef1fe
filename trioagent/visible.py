"""Text of others, fit for a terminal: nothing in it moves the cursor or hides anything.

Names, chat, transcripts and what servers answer may hold escape sequences. Where they
are shown to a person they come through here. Nothing is dropped: what a terminal would
obey is written out. Nothing in here awaits.
"""

from __future__ import annotations

import json
import re

_UNSAFE = re.compile(
    # Controls, of which terminals obey those of 0x80 to 0x9f, too; but not tab and
    # newline. Then what ends a line elsewhere, what turns text around, half characters.
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u061c\u200e\u200f"
    r"\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def visible(text: str) -> str:
    r"""`text` with control characters written out, as in `\x1b`; newlines stay."""
    return _UNSAFE.sub(_written_out, text)


def visible_line(text: str) -> str:
    r"""`text` in one line: as `visible`, newlines as `\n`, tabs as spaces."""
    return visible(text).replace("\n", "\\n").replace("\t", " ")


def json_line(value: object) -> str:
    r"""`value` as JSON in one line, with what `visible` writes out as `\u009b`."""
    text = json.dumps(value, ensure_ascii=False)
    return _UNSAFE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _written_out(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}"
