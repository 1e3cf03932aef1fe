"""Comparing what was recognized."""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")  # noqa: RUF001 - what recognizers write


def words_of(text: str) -> list[str]:
    """Its words without case and punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold().replace("\u2019", "'")
    return _WORD.findall(folded)


def same_words(one: str, other: str) -> bool:
    """Whether two transcripts differ only in case, punctuation and white space."""
    return words_of(one) == words_of(other)
