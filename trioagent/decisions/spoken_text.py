"""What of a language model's text is spoken: no thoughts, no markup, no emoji."""

from __future__ import annotations

import re
import unicodedata

import attrs

_OPEN, _CLOSE = "<think>", "</think>"

_FENCE = re.compile(r"```\w*")
_LINK_TARGET = re.compile(r"\]\([^)\s]*\)")
_LINE_START = re.compile(r"(?m)^\s*(?:#{1,6}\s+|>\s+|[-*+•]\s+)")
_RULE = re.compile(r"(?m)^\s*([-*_])(?:\s*\1){2,}\s*$")
# A star between digits is a sign: "2*3".
_EMPHASIS = re.compile(
    r"(?<!\w)_+(?=\S)|(?<=\S)_+(?!\w)"
    r"|(?<![\d*])\*+(?=\S)|(?<=\S)\*+(?![\d*])|[`~\[\]]"
)
_SPACE = re.compile(r"\s+")
_LONELY_COMMA = re.compile(r"\s+(?=[,.;:!?](?:\s|$))")
# Symbols and pictures begin here; what is below ("°", "©") is read aloud.
_FIRST_PICTURE = 0x2190
_ARROWS = range(0x2190, 0x2200)
_JOINERS = {0x200D, 0xFE0E, 0xFE0F, 0x20E3}
_SKIN_TONES = range(0x1F3FB, 0x1F400)


@attrs.define(eq=False)
class ThinkFilter:
    """Removes `<think>…</think>`, however the tags are split over tokens."""

    _inside: bool = False
    _held: str = ""

    def push(self, token: str) -> str:
        """Add a token; return the text that is certainly outside."""
        text, at, outside = self._held + token, 0, []
        while True:
            tag = _CLOSE if self._inside else _OPEN
            found = text.find(tag, at)
            if found < 0:
                break
            if not self._inside:
                outside.append(text[at:found])
            self._inside, at = not self._inside, found + len(tag)
        rest = text[at:]
        keep = _tag_begins(rest, tag)
        if not self._inside:
            outside.append(rest[: len(rest) - keep])
        self._held = rest[len(rest) - keep :]
        return "".join(outside)

    def finish(self) -> str:
        """The text ends: what looked like the beginning of a tag was none."""
        rest, self._held = self._held, ""
        return "" if self._inside else rest


def _tag_begins(text: str, tag: str) -> int:
    """How many characters at the end of `text` may be the beginning of `tag`."""
    for length in range(min(len(tag) - 1, len(text)), 0, -1):
        if tag.startswith(text[-length:]):
            return length
    return 0


def spoken_text(text: str) -> str:
    """`text` without Markdown, emoji and control characters, in single spaces.

    For phrases: it is not made for texts of more than some thousand characters.
    """
    text = _FENCE.sub(" ", text)
    text = _RULE.sub(" ", text)
    text = _LINK_TARGET.sub("", text)
    text = _LINE_START.sub("", text)
    text = _EMPHASIS.sub("", text)
    text = "".join(map(_as_spoken, text))
    return _LONELY_COMMA.sub("", _SPACE.sub(" ", text)).strip()


def _as_spoken(character: str) -> str:
    """The character, a space where a picture was, or nothing."""
    code = ord(character)
    if character.isspace():
        return character
    if code in _JOINERS or code in _SKIN_TONES:
        return ""
    category = unicodedata.category(character)
    if code in _ARROWS or (category == "So" and code >= _FIRST_PICTURE):
        return " "
    return "" if category in ("Cc", "Cf", "Co", "Cs", "Cn") else character
