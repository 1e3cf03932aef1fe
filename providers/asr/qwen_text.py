"""What of Qwen3-ASR's output is transcript.

It writes the language before the words of each piece of audio, "language
English<asr_text>Hello", and "language None<asr_text>" when it heard none. Some servers
pass that on.
"""

from __future__ import annotations

import re

_TAG = re.compile(r"(?:\blanguage[ \t]+[^\s<]{1,40})?[ \t]*<asr_text>", re.IGNORECASE)
_TOKEN = re.compile(r"<\|[^|<>]{0,40}\|>")
_BEGUN = re.compile(
    # Of a tag that is still being written: "language" alone may be a word, except at
    # the very start, where a transcript would have a capital letter.
    r"(?:^language(?:[ \t]+[A-Z][A-Za-z]*)?"
    r"|(?:\blanguage[ \t]+[A-Z][A-Za-z]*)?[ \t]*"
    r"<(?:a|as|asr|asr_|asr_t|asr_te|asr_tex|asr_text|\|[^|<>]{0,40}\|?)?)$"
)


def transcript(text: str, *, final: bool = True) -> str:
    """`text` without the model's own marks, and with single spaces.

    If not `final`, a mark that has only begun is left out, too.
    """
    # Single spaces first: the patterns would search long runs of them again and again.
    said = _TOKEN.sub(" ", _TAG.sub(" ", " ".join(text.split())))
    if not final:
        said = _BEGUN.sub("", said)
    return " ".join(said.split())
