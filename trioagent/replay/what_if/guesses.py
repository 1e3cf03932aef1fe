"""What a recording says of replies and phrases, and what it lets one guess of others.

What was recorded is given as it was, with the time from each piece to the next; the
time for which it had to wait for room is not counted. What was not recorded gets a
stand-in. Nothing in here awaits.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import numpy as np

from trioagent.decisions.text import same_words
from trioagent.interfaces import Speech, WordMark
from trioagent.recording import format as f

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from trioagent.recording.recording import Recording

T = TypeVar("T")

# For recordings in which nothing was said: about what most voices take.
CHAR_S = 0.07
FIRST_PIECE_S = 0.1
PIECE_S = 0.05
# Said instead of a reply of which nothing is known.
UNKNOWN_REPLY = "Well, I would have to think about that."
FIRST_TOKEN_S = 0.3


@attrs.frozen
class Given(Generic[T]):
    """What a call gives: pieces, each after so many seconds, and then its end."""

    pieces: tuple[tuple[float, T], ...]
    rest_s: float = 0.0
    """From the last piece to the end."""
    error: str = ""
    how: f.How = "done"


@attrs.define
class _Call(Generic[T]):
    """A recorded call, as far as the entries have been read."""

    turn: int
    about: str
    last: float
    """When it could go on last."""
    pieces: list[tuple[float, T]] = attrs.Factory(list)
    end: f.Replied | f.Said | None = None
    rest_s: float = 0.0

    def piece(self, offered: float, taken: float, value: T) -> None:
        """The next one."""
        self.pieces.append((max(0.0, offered - self.last), value))
        self.last = taken

    def ended(self, end: f.Replied | f.Said) -> None:
        """There is no more."""
        self.end, self.rest_s = end, max(0.0, end.t - self.last)

    @property
    def done(self) -> bool:
        """Whether it gave all."""
        return self.end is not None and self.end.how == "done"

    def given(self) -> Given[T]:
        """As it was; one that was cancelled ends after what it gave."""
        if self.end is None:
            return Given(tuple(self.pieces))
        end = self.end
        return Given(tuple(self.pieces), self.rest_s, end.error, end.how)


# --- replies ---------------------------------------------------------------------


@attrs.frozen
class Replies:
    """The recorded language model's."""

    calls: tuple[_Call[str], ...]

    def reply(self, turn: int, said: str) -> Given[str]:
        """To the same words, as it was; else the one that the turn got."""
        same = [c for c in self.calls if c.end or c.pieces]
        same = [c for c in same if same_words(c.about, said)]
        if same:
            return max(same, key=lambda c: (c.end is not None, c.turn == turn)).given()
        others = [call for call in self.calls if call.pieces]
        if not others:
            return Given(((FIRST_TOKEN_S, UNKNOWN_REPLY),))
        # The last draft of a turn is the one that was spoken.
        numbered = enumerate(others)
        _, stand_in = max(numbered, key=lambda x: (x[1].turn == turn, x[1].done, x[0]))
        given = attrs.evolve(stand_in.given(), how="done", error="")
        return attrs.evolve(given, pieces=_without_words(given.pieces))


def _without_words(
    pieces: tuple[tuple[float, str], ...],
) -> tuple[tuple[float, str], ...]:
    """The same pieces in nonsense.

    What the model was told in the end may be in its reply. Said before the speaker says
    it, that would be taken for what they repeat: an echo.
    """
    if any("<" in text for _, text in pieces):
        return pieces  # tags have a meaning
    return tuple((after_s, _nonsense(text)) for after_s, text in pieces)


def _nonsense(text: str) -> str:
    letters = itertools.cycle("la")
    return "".join(
        (letter.upper() if character.isupper() else letter)
        if character.isalpha() and (letter := next(letters))
        else character
        for character in text
    )


def replies(recording: Recording) -> Replies:
    """What the recorded language model replied."""
    calls: dict[int, _Call[str]] = {}
    for entry in recording.entries:
        match entry:
            case f.Asked(t, request, turn, said):
                calls[request] = _Call(turn, said, t)
            case f.Token(t, request, offered, text):
                calls[request].piece(offered, t, text)
            case f.Replied():
                calls[entry.request].ended(entry)
    return Replies(tuple(calls.values()))


# --- phrases ---------------------------------------------------------------------


@attrs.frozen
class Pace:
    """How quickly the recorded synthesizer spoke, and made speech."""

    char_s: float = CHAR_S
    """Audio for a character."""
    first_piece_s: float = FIRST_PIECE_S
    """From a phrase to its first audio."""
    piece_s: float = PIECE_S
    """Audio in a piece."""
    factor: float = 0.0
    """Time for a second of audio, after the first piece."""


@attrs.frozen
class Phrases:
    """The recorded synthesizer's."""

    rate_hz: int
    calls: dict[str, _Call[Speech]]
    pace: Pace

    def phrase(self, text: str) -> Given[Speech]:
        """The same phrase, as it was; else silence as long as it would take."""
        call = self.calls.get(text)
        if call is None:
            return Given(self._silence(text, 0, self.pace.first_piece_s))
        if call.end is not None:
            return call.given()
        known = sum(len(speech.pcm) for _, speech in call.pieces)
        first_s = 0.0 if known else self.pace.first_piece_s
        return Given((*call.pieces, *self._silence(text, known, first_s)))

    def _silence(
        self, text: str, known: int, first_s: float
    ) -> tuple[tuple[float, Speech], ...]:
        """The samples of a phrase after the first `known`, with marks for its words."""
        char_samples = self.pace.char_s * self.rate_hz
        total = round(len(text) * char_samples)
        size = max(1, round(self.pace.piece_s * self.rate_hz))
        pieces = []
        for start in range(known, total, size):
            end = min(start + size, total)
            marks = (WordMark(i, round(i * char_samples)) for i in _words(text))
            here = tuple(mark for mark in marks if start <= mark.at_sample < end)
            gap_s = self.pace.factor * (end - start) / self.rate_hz
            if start == known:
                gap_s = first_s
            pieces.append((gap_s, Speech(np.zeros(end - start, np.int16), here)))
        return tuple(pieces)


def phrases(recording: Recording) -> Phrases:
    """What the recorded synthesizer said."""
    calls: dict[int, _Call[Speech]] = {}
    audio = (pcm for _, pcm in recording.sounds())
    for entry in recording.entries:
        match entry:
            case f.ToSay(t, phrase, turn, text):
                calls[phrase] = _Call(turn, text, t)
            case f.Sound(t, phrase, offered, _, words):
                speech = Speech(next(audio), tuple(WordMark(*mark) for mark in words))
                calls[phrase].piece(offered, t, speech)
            case f.Said():
                calls[entry.phrase].ended(entry)
    rate_hz = recording.header.synthesizer_rate_hz
    return Phrases(rate_hz, _by_text(calls.values()), _pace(calls.values(), rate_hz))


def _by_text(calls: Iterable[_Call[Speech]]) -> dict[str, _Call[Speech]]:
    """Of calls with the same phrase, the one that gave most."""
    alike: dict[str, list[_Call[Speech]]] = defaultdict(list)
    for call in calls:
        alike[call.about].append(call)
    return {
        text: max(those, key=lambda c: (c.end is not None, len(c.pieces)))
        for text, those in alike.items()
    }


def _pace(calls: Iterable[_Call[Speech]], rate_hz: int) -> Pace:
    done = [call for call in calls if call.done and call.pieces]
    if not done:
        return Pace()
    lengths = [[len(speech.pcm) for _, speech in call.pieces] for call in done]
    later = _seconds([length[1:] for length in lengths], rate_hz)
    spent_s = sum(gap for call in done for gap, _ in call.pieces[1:])
    return Pace(
        _seconds(lengths, rate_hz) / max(1, sum(len(call.about) for call in done)),
        median(call.pieces[0][0] for call in done),
        median(size for length in lengths for size in length) / rate_hz,
        spent_s / later if later else 0.0,
    )


def _seconds(lengths: Sequence[Sequence[int]], rate_hz: int) -> float:
    return sum(map(sum, lengths)) / rate_hz


def _words(text: str) -> list[int]:
    """Where its words begin."""
    spaces = [True, *(character.isspace() for character in text)]
    return [i for i, c in enumerate(text) if spaces[i] and not c.isspace()]
