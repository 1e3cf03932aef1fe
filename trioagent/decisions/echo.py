"""Whether what a microphone delivered are our own words, from its user's loudspeakers.

What was heard is aligned with what we said lately: any part of it, with words lost on
the way and words misheard. What tells a person from an echo are the words of their own,
above all those that ask, answer or order. English only in that respect; in another
language every word counts as content.
"""

from __future__ import annotations

from collections import deque
from difflib import SequenceMatcher
from itertools import pairwise

import attrs

from trioagent.decisions.completeness import DANGLING, QUESTION, SHORT
from trioagent.decisions.jitter import CHARS_PER_S
from trioagent.decisions.text import words_of

# What people put to somebody else's words when they talk about them.
PERSONAL = (
    QUESTION
    | SHORT
    | frozenset(
        "not don't i i'm i'll me you you're but actually sorry mean meant say said tell"
        " again please um uh hm hmm oh huh".split()
    )
)
# Words so frequent that two people say them at the same time.
COMMON = (
    PERSONAL
    | DANGLING
    | frozenset(
        "it its it's there here that's him her us them all some any one just very not"
        " too more much up down out over now what's let's go get got".split()
    )
)
_NUMBERS = frozenset(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen"
    " fourteen fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty"
    " sixty seventy eighty ninety hundred thousand million billion".split()
)
NUMBER = "#"
"""Stands for a number: "1889" is heard as "eighteen eighty nine"."""

# What is remembered, and compared at most: two minutes of speech.
MAX_WORDS = 300
# Words heard at most this long before or after we are thought to have said them are
# recent. When each word of a phrase sounds is a guess, hence so much.
RECENT_S = 3.0
COMMON_WEIGHT = 0.5
PERSONAL_COST = 2.0
# A word of ours that was not heard: little, for loudspeakers and codecs lose some.
LOST_COST = 0.25
# Two words are one misheard from here on: "raining", "training", but not "London",
# "Boston". Joined ones ("ice cream", "I scream") must be more alike.
ALIKE = 0.65
ALIKE_JOINED = 0.8
# A partial may have this much wrong that later words make up for.
PARTIAL_COST = 0.5
_NEVER = 1e9


@attrs.frozen
class SaidWord:
    """One word of ours and when it sounded, about."""

    word: str
    at: float


@attrs.define(eq=False)
class EchoJudge:
    """One room's judge: what we say reaches all its users, so it keeps no user apart.

    In each question `at` is when the words began to be heard, that is their speech's
    onset: an echo begins at most a delay after what it repeats.
    """

    window_s: float
    """How long before `at` the echoed words may have been said."""
    similarity: float
    """The part of the heard words that must be ours, 0 to 1."""
    remembered: tuple[SaidWord, ...] = ()
    """What was said before."""
    _said: deque[SaidWord] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._said = deque(self.remembered, maxlen=MAX_WORDS)

    @property
    def said(self) -> tuple[SaidWord, ...]:
        """What we said of late."""
        return tuple(self._said)

    def spoke(self, text: str, at: float) -> None:
        """A phrase begins to sound at `at`."""
        chars = 0
        for word in _comparable(text):
            self._said.append(SaidWord(word, at + chars / CHARS_PER_S))
            chars += len(word) + 1

    def stopped(self, at: float) -> None:
        """We were interrupted at `at`: what was to come was not said."""
        while self._said and self._said[-1].at > at:
            self._said.pop()

    def forget(self, now: float) -> None:
        """Forget what was said too long ago to be heard as an echo now."""
        while self._said and self._said[0].at < now - self.window_s - RECENT_S:
            self._said.popleft()

    def is_echo(self, text: str, at: float) -> bool:
        """Whether `text`, all that was heard in one go, is only what we said."""
        heard, said = _comparable(text)[-MAX_WORDS:], self._lately(at)
        if not heard or not said:
            return False
        says_nothing = all(_is_common(word) for word in heard)
        if len(heard) > 2 and not says_nothing:
            return _costs(heard, said)[-1] <= (1 - self.similarity) * _weight(heard)
        # So few words prove little, and numbers were not compared.
        enough = len(heard) > 2 or not says_nothing
        return enough and NUMBER not in heard and self._verbatim(heard, at)

    def may_be_echo(self, text: str, at: float) -> bool:
        """Whether a hypothesis may turn out to be an echo once more of it is heard.

        No word yet may be one. Its last word may be half a word.
        """
        heard, said = _comparable(text)[-MAX_WORDS:], self._lately(at)
        if not heard:
            return bool(said)
        if self.is_echo(text, at) or self._verbatim(heard, at, last_is_partial=True):
            return True
        few = len(heard) <= 2
        if not said or (few and all(map(_is_common, heard))):
            return False
        *whole, last = heard
        before, cost = [0.0, *_costs(heard, said)][-2:]
        if before > (1 - self.similarity) * _weight(whole) + PARTIAL_COST:
            return False
        # The last word may be misheard or half of one, but not somebody's own order or
        # question; where there is little else to go by, it must be like one of ours.
        if few:
            return cost - before < _weight([last])
        half = any(word.startswith(last) and word != last for word in said)
        return half or last not in PERSONAL or cost - before < PERSONAL_COST / 2

    def _lately(self, at: float) -> list[str]:
        return [said.word for said in self._said if said.at >= at - self.window_s]

    def _verbatim(
        self, heard: list[str], at: float, *, last_is_partial: bool = False
    ) -> bool:
        """Whether exactly these words, in a row, were said about now."""
        recent_s = min(self.window_s, RECENT_S)
        said = [s.word for s in self._said if abs(s.at - at) <= recent_s]
        parts = (said[i : i + len(heard)] for i in range(len(said) - len(heard) + 1))
        if not last_is_partial:
            return heard in parts
        *whole, last = heard
        return any(part[:-1] == whole and part[-1].startswith(last) for part in parts)


def _comparable(text: str) -> list[str]:
    """Its words, each number in one however it is written."""
    words: list[str] = []
    for word in words_of(text):
        if word in _NUMBERS or any(map(str.isdigit, word)):
            # "three hundred and thirty", "three point five"
            if words[-2:-1] == [NUMBER] and words[-1] in ("and", "point"):
                words.pop()
            word = NUMBER  # noqa: PLW2901 - in its place
        if word != NUMBER or words[-1:] != [NUMBER]:
            words.append(word)
    return words


def _weight(words: list[str]) -> float:
    return sum(COMMON_WEIGHT if _is_common(word) else 1.0 for word in words)


def _is_common(word: str) -> bool:
    return word in COMMON or word == NUMBER


def _costs(heard: list[str], said: list[str]) -> list[float]:
    """The least to be explained away to find the first 1, 2, … heard words in `said`.

    An edit distance that is free to begin and to end anywhere in `said`; two words may
    stand for one.
    """
    ours = [_Spelling(word) for word in said]
    pairs = [_Spelling(a + b) for a, b in pairwise(said)]
    none = [_NEVER] * len(said)
    costs: list[float] = []
    before, last = none, [0.0] * (len(said) + 1)
    for i, word in enumerate(heard):
        own = PERSONAL_COST if word in PERSONAL else _weight([word])
        one = _Spelling(word).costs(ours, ALIKE)
        split = [_NEVER, *_Spelling(word).costs(pairs, ALIKE_JOINED)]
        two = none
        if i and not PERSONAL.intersection(heard[i - 1 : i + 1]):
            two = _Spelling(heard[i - 1] + word).costs(ours, ALIKE_JOINED)
        row = [last[0] + own]
        for j in range(len(said)):
            best = min(last[j + 1] + own, row[j] + LOST_COST, last[j] + one[j])
            row.append(min(best, last[j - 1] + split[j], before[j] + two[j]))
        costs.append(min(row))
        before, last = last, row
    return costs


class _Spelling:
    """A word, ready to be compared with many."""

    def __init__(self, word: str) -> None:
        self.word = word
        self.letters = frozenset(word)
        self.is_common = _is_common(word)

    def costs(self, others: list[_Spelling], least: float) -> list[float]:
        """What taking it for each of them costs: 0 for the same, `_NEVER` if unlike."""
        matcher = SequenceMatcher(None, "", self.word, autojunk=False)
        costs = []
        for other in others:
            cost = 0.0 if other.word == self.word else _NEVER
            if cost and self._comparable(other, least):
                matcher.set_seq1(other.word)
                ratio = matcher.ratio()
                cost = 1 - ratio if ratio >= least else _NEVER
            costs.append(cost)
        return costs

    def _comparable(self, other: _Spelling, least: float) -> bool:
        """Whether their ratio may reach `least`: counts letters, for speed."""
        # Short and frequent words are all alike ("is", "it"): only the same will do.
        if self.is_common or other.is_common:
            return False
        needed = least * (len(self.word) + len(other.word)) / 2
        return (
            len(self.word) - len(self.letters - other.letters) >= needed
            and len(other.word) - len(other.letters - self.letters) >= needed
        )
