"""Comparing what was recognized."""

from __future__ import annotations

import re
import unicodedata

_ASCII_WORD = re.compile(r"[a-z0-9']+")


def words_of(text: str) -> list[str]:
    """Its words without case and punctuation."""
    if text.isascii():
        # The same, quicker: each new word makes somebody ask.
        parts = _ASCII_WORD.findall(text.lower())
        return [word for part in parts if (word := part.strip("'"))]
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    folded = unicodedata.normalize("NFKC", folded)
    parts = "".join(c if _in_word(c) else " " for c in folded).split()
    words = (part.strip("'") for part in parts)
    return [word for word in words if any(map(str.isalnum, word))]


def _in_word(character: str) -> bool:
    """Letters, numbers, and marks: many scripts write their vowels as marks."""
    return character == "'" or unicodedata.category(character)[0] in "LNM"


def same_words(one: str, other: str) -> bool:
    """Whether two transcripts differ only in case, punctuation and white space."""
    return words_of(one) == words_of(other)
