"""Which words of a growing hypothesis are certain enough to act on.

A word is stable once the last `agree` hypotheses have it, in the same place after the
same words, and another word follows it in the newest one: a recognizer's last word is
often half of one ("we", "weather"). The last word counts, too, once that many
hypotheses in a row (at least two) were the same words, as when only punctuation came.

So the pace is the caller's: one `push` for each step of the recognizer that may have
changed its mind. Pushing at every packet lets a hypothesis agree with itself.
"""

from __future__ import annotations

from collections import deque

import attrs
from attrs import validators as v

from trioagent.decisions.text import words_of


@attrs.frozen
class _Token:
    """What stands between spaces: no word ("-"), one, or several ("well-known")."""

    spelling: str
    words: list[str]

    @classmethod
    def of(cls, spelling: str) -> _Token:
        """Find its words."""
        return cls(spelling, words_of(spelling))

    def after(self, known: int) -> str:
        """What is left of it after its first `known` words; those come plain."""
        return self.spelling if known <= 0 else " ".join(self.words[known:])


@attrs.define(eq=False)
class StablePrefix:
    """One utterance's stable text: it grows, and what was given never changes."""

    agree: int = attrs.field(validator=v.ge(1))
    """How many hypotheses must agree."""
    text: str = ""
    """The stable text so far."""
    _words: list[str] = attrs.Factory(list)
    _recent: deque[list[str]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._recent = deque(maxlen=max(self.agree, 2))

    def push(self, hypothesis: str) -> str:
        """Take all the words so far; return the stable text, spelled as they came.

        A hypothesis that revises stable words only stops the growth, until the
        hypotheses agree on them again.
        """
        tokens = [_Token.of(spelling) for spelling in hypothesis.split()]
        words = [word for token in tokens for word in token.words]
        self._recent.append(words)
        agreed = self._agreed(words)
        self._grow([token for token in tokens if token.words], agreed)
        return self.text

    def _agreed(self, newest: list[str]) -> int:
        """How many words the last hypotheses agree on, a settled last one included."""
        if len(self._recent) < self.agree:
            return 0
        if len(self._recent) > 1 and all(words == newest for words in self._recent):
            return len(newest) + 1
        return min(
            _shared(newest, words) for words in list(self._recent)[-self.agree :]
        )

    def _grow(self, tokens: list[_Token], agreed: int) -> None:
        """Add the tokens within the agreed words; the last only if it is settled."""
        words: list[str] = []
        added: list[str] = []
        settled = agreed > sum(len(token.words) for token in tokens)
        for token in tokens if settled else tokens[:-1]:
            if len(words) + len(token.words) > agreed:
                break
            added.append(token.after(len(self._words) - len(words)))
            words += token.words
        if len(words) > len(self._words) == _shared(self._words, words):
            self.text = " ".join(filter(None, [self.text, *added]))
            self._words = words


def _shared(one: list[str], other: list[str]) -> int:
    """How many words both begin with."""
    pairs = zip(one, other, strict=False)
    return next(
        (i for i, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other))
    )
