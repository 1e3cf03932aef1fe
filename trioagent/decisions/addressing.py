"""Whether somebody in a room with several people talks to the agent.

They do if they call it by its name at the start or at the end of a sentence, also when
the recognizer misheard the name; or if they go on soon after it answered them. A name
inside a sentence, or as its object ("I told Jarvis"), is talk about it. The words that
tell these apart are English.
"""

from __future__ import annotations

import re
import unicodedata
from difflib import SequenceMatcher

import attrs

from trioagent.decisions.completeness import DANGLING, SHORT
from trioagent.decisions.text import words_of

# May come before the name at the start, and after it at the end.
OPENERS = SHORT | frozenset(
    "and but so well um uh er hmm hm oh ah yo dear listen good morning afternoon"
    " evening night thank you excuse me sorry now alright".split()
)
CLOSERS = frozenset("please thanks thank you now then okay ok right again".split())
MAX_OPENERS, MAX_CLOSERS = 4, 2
# After the name, these tell about it: "Jarvis said that …".
TELLS_ABOUT = frozenset(
    "said says told thinks seems sounds keeps knows doesn't and or".split()
)
# Before the name, these make it their object: "I told Jarvis", "with Jarvis". Some
# words that can dangle end questions, too: "what is that, Jarvis".
TAKES_OBJECT = (
    DANGLING
    - frozenset("that this these those am we so well then i from about".split())
) | frozenset(
    "told tell tells telling ask asked asking call called calling tried try using use"
    " used named met love hate know knows heard said says than via".split()
)
# A name that was misheard does not begin or end with these, for "the agent" sounds
# like "trio agent".
NOT_IN_NAME = frozenset(
    "a an the my your his her our their this that and or of".split()
)

# Compared with "trioagent": "tree agent" 0.89, "trio asian" 0.795, "your agent" 0.76,
# "street agent" 0.76, "triangle" 0.58.
ALIKE = 0.79
# Names as short as "Max" are like too many words: they must sound the same, and be
# spelled nearly so.
SHORT_LETTERS = 4
ALIKE_SHORT = 0.75
# What is heard may be this much longer or shorter than the name; else it is the name
# and another word.
OTHER_LENGTH = 0.3
# Recognizers split names: "trio a gent".
MORE_WORDS = 2

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
# How English letters sound, roughly; vowels are what recognizers confuse most.
_SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"ph", "f"),
        (r"gh(?=[^aeiouy]|$)", ""),
        (r"tch|ch|sh|[st]i(?=[aeo])|dg", "j"),
        (r"th", "t"),
        (r"[cg](?=h)", "k"),
        (r"c(?=[eiy])", "s"),
        (r"g(?=[eiy])", "j"),
        (r"ck|[cq]", "k"),
        (r"x", "ks"),
        (r"z", "s"),
        (r"[aeiouyw]+", "a"),
        (r"(.)\1+", r"\1"),
    )
)


@attrs.frozen
class Name:
    """One of the agent's names, as letters and as sounds."""

    letters: str
    sound: str
    words: int

    @classmethod
    def of(cls, name: str) -> Name:
        """Prepare it for comparing."""
        words = words_of(name)
        letters = _letters(words)
        return cls(letters, _sound(letters), len(words))

    def likeness(self, words: list[str]) -> float:
        """How much these words, together, are like the name: 0 for another, to 1."""
        letters = _letters(words)
        if letters == self.letters:
            return 1.0
        # "Jarvises", "Jarvis's": not called but talked about.
        if letters == f"{self.letters}s" or not NOT_IN_NAME.isdisjoint(
            (words[0], words[-1])
        ):
            return 0.0
        allowed = max(1.0, OTHER_LENGTH * len(self.letters))
        if abs(len(letters) - len(self.letters)) > allowed:
            return 0.0
        sound, spelling = _sound(letters), _ratio(letters, self.letters)
        if len(self.letters) <= SHORT_LETTERS:
            return spelling if sound == self.sound and spelling >= ALIKE_SHORT else 0.0
        likeness = (_ratio(sound, self.sound) + spelling) / 2
        return likeness if likeness >= ALIKE else 0.0


@attrs.define(eq=False)
class Addressing:
    """One room's judge of who talks to the agent.

    After `answered`, its speaker need not call it by name for `attention_s`.
    """

    names: tuple[str, ...]
    attention_s: float
    _answered: dict[int, float] = attrs.Factory(dict)
    _names: list[Name] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._names = [name for name in map(Name.of, self.names) if name.letters]

    def answered(self, speaker_id: int, now: float) -> None:
        """The agent's answer to this speaker ended."""
        for speaker, at in list(self._answered.items()):
            if now >= at + self.attention_s:
                del self._answered[speaker]
        self._answered[speaker_id] = now

    def addressed(self, text: str, speaker_id: int, now: float) -> bool:
        """Whether what this speaker began to say at `now` is meant for the agent."""
        answered = self._answered.get(speaker_id)
        if answered is not None and now < answered + self.attention_s:
            return bool(words_of(text))
        sentences = map(words_of, _SENTENCE_END.split(text))
        return any(self._calls(words) for words in sentences if words)

    def _calls(self, words: list[str]) -> bool:
        """Whether a sentence starts or ends with a name."""
        start = _leading(words, OPENERS, MAX_OPENERS)
        starts = [(i, i + size) for i in range(start + 1) for size in self._sizes]
        if found := self._best(words, starts):
            first, last = found
            # "me and Jarvis"; but "and, Jarvis, …" calls.
            one_of_several = first > 1 and words[first - 1] == "and"
            if not one_of_several and TELLS_ABOUT.isdisjoint(words[last : last + 1]):
                return True
        end = len(words) - _leading(words[::-1], CLOSERS, MAX_CLOSERS)
        ends = [
            (i - size, i) for i in range(end, len(words) + 1) for size in self._sizes
        ]
        if found := self._best(words, ends):
            first, _ = found
            return first == 0 or words[first - 1] not in TAKES_OBJECT
        return False

    @property
    def _sizes(self) -> range:
        """How many words a name may be heard as."""
        most = max((name.words for name in self._names), default=0)
        return range(1, most + MORE_WORDS + 1)

    def _best(
        self, words: list[str], places: list[tuple[int, int]]
    ) -> tuple[int, int] | None:
        """Where, of these places, the words are most like a name, if they are."""
        likeness, place = max(
            (
                (name.likeness(words[first:last]), (first, last))
                for name in self._names
                for first, last in places
                if 0 <= first < last <= len(words)
            ),
            default=(0.0, (0, 0)),
        )
        return place if likeness else None


def _leading(words: list[str], among: frozenset[str], most: int) -> int:
    """How many words at the beginning are `among` these, at most `most`."""
    heads = words[:most]
    return next((i for i, w in enumerate(heads) if w not in among), len(heads))


def _letters(words: list[str]) -> str:
    """The words in one, without accents."""
    decomposed = unicodedata.normalize("NFKD", "".join(words))
    return "".join(filter(str.isalnum, decomposed))


def _sound(letters: str) -> str:
    for pattern, sound in _SOUNDS:
        letters = pattern.sub(sound, letters)
    return letters


def _ratio(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other, autojunk=False).ratio()
