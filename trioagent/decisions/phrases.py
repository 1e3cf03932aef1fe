"""Cuts a stream of tokens into phrases for the synthesizer.

Any split of the same text into tokens gives the same phrases: a decision waits until
the characters that it depends on are there. Only `timeout` cuts by time.
"""

from __future__ import annotations

import re

import attrs

from trioagent.config import ChunkerConfig
from trioagent.decisions.spoken_text import ThinkFilter, spoken_text

_CLOSERS = "\"')]}*_»”’"  # noqa: RUF001 - quotes that models write
_CLAUSE_ENDS = ",;:—–"  # noqa: RUF001 - both dashes end a clause
# A full stop after these ends no sentence.
_ABBREVIATIONS = frozenset(
    "dr mr mrs ms prof st sr jr vs etc e.g i.e eg ie approx vol fig dept est inc ltd"
    " co corp gen col sgt capt lt rev hon jan feb mar apr jun jul aug sep sept oct nov"
    " dec a.m p.m u.s u.k cf al".split()
)
_LAST_WORD = re.compile(r"([\w.]+)\.$")
_LIST_NUMBER = re.compile(r"(?:^|\n)\s*\d{1,2}\.$")


@attrs.define(eq=False)
class PhraseCutter:
    """One reply's text in, its phrases out, ready to be spoken."""

    config: ChunkerConfig
    _think: ThinkFilter = attrs.Factory(ThinkFilter)
    _text: str = ""
    _first: bool = True

    def push(self, token: str) -> list[str]:
        """Add a token; return the phrases that are now certain."""
        phrases: list[str] = []
        # One character at a time, so that how it was split cannot matter.
        for character in self._think.push(token):
            self._text += character
            if cut := self._cut_at():
                phrases += self._take(cut)
        return phrases

    def timeout(self) -> list[str]:
        """Nothing came for a while: give what is there, up to the last whole word."""
        cut = len(self._text.rstrip())
        if cut == len(self._text):
            cut = max(self._text.rfind(" "), self._text.rfind("\n")) + 1
        return self._take(cut) if cut else []

    def finish(self) -> list[str]:
        """The reply is complete: give the rest."""
        for character in self._think.finish():
            self._text += character
        return self._take(len(self._text))

    def _cut_at(self) -> int:
        """Where to cut the text so far, 0 for not yet."""
        text = self._text
        if text[-1].isspace():
            before = text.rstrip()
            if not before:
                return len(text) if len(text) > self.config.max_chars else 0
            length = len(before.lstrip())
            minimum = self.config.first_min_chars if self._first else None
            if length >= (minimum or self.config.min_chars) and (
                "\n" in text[len(before) :] or _ends_sentence(before)
            ):
                return len(text)
            if length >= self.config.clause_chars and before[-1] in _CLAUSE_ENDS:
                return len(text)
        if len(text) > self.config.max_chars:
            return max(text.rfind(" "), text.rfind("\n")) + 1 or self.config.max_chars
        return 0

    def _take(self, cut: int) -> list[str]:
        phrase, self._text = spoken_text(self._text[:cut]), self._text[cut:]
        if not any(character.isalnum() for character in phrase):
            return []
        self._first = False
        return [phrase]


def _ends_sentence(text: str) -> bool:
    """Whether `text`, followed by white space, ends with a sentence."""
    text = text.rstrip(_CLOSERS)
    if text.endswith(("!", "?", "。")):
        return True
    if not text.endswith(".") or text.endswith(".."):
        return False
    if _LIST_NUMBER.search(text):
        return False
    word = _LAST_WORD.search(text)
    if word is None:
        return True
    last = word.group(1).casefold()
    # A single letter is an initial: "J. Smith". "I" is not.
    return last not in _ABBREVIATIONS and (len(last) > 1 or last in "i0123456789")
