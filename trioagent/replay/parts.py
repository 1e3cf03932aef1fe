"""The parts of a recorded agent: they give again what they gave then, when they did.

A call finds its recorded one by its turn and what it is about: a phrase by its text, a
request by the words said, a recognizer's stream by its place among the turn's. What the
recording does not know is a `Missing`: the agent does something else than it did then.
"""

from __future__ import annotations

import math
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import cattrs
import trio

from trioagent.agent import Parts
from trioagent.errors import ProviderError
from trioagent.interfaces import (
    Message,
    Outlet,
    Pcm,
    Speech,
    Usage,
    WordMark,
)
from trioagent.journal.events import current_turn
from trioagent.recording import format as f
from trioagent.recording.recording import Recording
from trioagent.replay.room import PassUntil, ReplayedDetector, ReplayedRoom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence


T = TypeVar("T")
EndT = TypeVar("EndT")

# Packets that came so close together may have been fed in one.
TOGETHER_S = 0.01


class Missing(ProviderError):
    """The recording has nothing for this call."""


def replayed_parts(
    recording: Recording, room: ReplayedRoom, pass_until: PassUntil
) -> Parts:
    """The parts of the recorded agent.

    They let the clock pass until each call was made then.
    """
    return Parts(
        room,
        ReplayedDetector(room),
        ReplayedRecognizer(recording, pass_until),
        ReplayedLanguageModel(recording, pass_until),
        ReplayedSynthesizer(recording, pass_until),
    )


@attrs.define(eq=False)
class _Calls(Generic[T]):
    """Recorded calls of one kind, each to be used once."""

    waiting: dict[tuple[int, str], deque[T]] = attrs.Factory(lambda: defaultdict(deque))

    def add(self, turn: int, about: str, call: T) -> None:
        """One that was made in this turn."""
        self.waiting[turn, about].append(call)

    def take(self, about: str = "") -> T:
        """The next one that this turn made."""
        turn = current_turn()
        calls = self.waiting.get((turn, about))
        if not calls:
            raise Missing(f"turn {turn} asked for something else than then: {about!r}")
        return calls.popleft()


StreamEntry = f.Fed | f.Finished | f.StreamFailed


@attrs.define(eq=False)
class ReplayedRecognizer:
    """Gives each stream's texts again."""

    recording: Recording
    pass_until: PassUntil
    _streams: _Calls[tuple[f.StreamOpened, deque[StreamEntry]]] = attrs.Factory(_Calls)

    def __attrs_post_init__(self) -> None:
        given: dict[int, deque[StreamEntry]] = defaultdict(deque)
        for entry in self.recording.entries:
            if isinstance(entry, StreamEntry):
                given[entry.stream].append(entry)
            elif isinstance(entry, f.StreamOpened):
                self._streams.add(entry.turn, "", (entry, given[entry.stream]))

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[ReplayedStream]:
        """The turn's next one."""
        opened, given = self._streams.take()
        self.pass_until(opened.asked)
        await trio.sleep_until(opened.t)
        if opened.error:
            raise _failure("crashed" if opened.crashed else "failed", opened.error)
        yield ReplayedStream(given, self.pass_until)


@attrs.define(eq=False)
class ReplayedStream:
    """One utterance's."""

    given: deque[StreamEntry]
    pass_until: PassUntil
    _text: str = ""

    async def feed(self, pcm: Pcm) -> str:  # noqa: ARG002 - recorded
        """The next text, when it was there."""
        now = trio.current_time()
        if self.given and (
            _ends(self.given[0]) or self.given[0].asked > now + TOGETHER_S
        ):
            # Then, this was fed in one with what came before.
            await trio.lowlevel.checkpoint()
            return self._text
        self._text = await self._next()
        return self._text

    async def finish(self) -> str:
        """The last text, when it was there."""
        while self.given and not _ends(self.given[0]):
            # Now, this was fed in one with what came before.
            self.given.popleft()
        return await self._next()

    async def _next(self) -> str:
        if not self.given:
            # It was cancelled then, before there was an answer.
            await trio.sleep_forever()
        entry = self.given.popleft()
        self.pass_until(entry.asked)
        await trio.sleep_until(entry.t)
        if isinstance(entry, f.StreamFailed):
            raise _failure(entry.how, entry.error)
        return entry.text


def _ends(entry: StreamEntry) -> bool:
    """Whether this was the answer to the last call."""
    if isinstance(entry, f.StreamFailed):
        return entry.samples is None
    return isinstance(entry, f.Finished)


@attrs.define(eq=False)
class ReplayedLanguageModel:
    """Gives each reply again, piece by piece."""

    recording: Recording
    pass_until: PassUntil
    _requests: _Calls[_Given[f.Token, f.Replied]] = attrs.Factory(_Calls)

    def __attrs_post_init__(self) -> None:
        requests: dict[int, _Given[f.Token, f.Replied]] = defaultdict(_Given)
        for entry in self.recording.entries:
            match entry:
                case f.Asked():
                    requests[entry.request].asked = entry.t
                    self._requests.add(entry.turn, entry.said, requests[entry.request])
                case f.Token():
                    requests[entry.request].pieces.append(entry)
                case f.Replied():
                    requests[entry.request].end = entry

    @property
    def name(self) -> str:
        """The recorded one's."""
        return self.recording.header.providers.get("llm", "")

    async def check(self) -> None:
        """It is there."""
        await trio.lowlevel.checkpoint()

    async def reply(
        self, messages: Sequence[Message], tokens: Outlet[str]
    ) -> Usage | None:
        """Send the pieces that came then."""
        given = self._requests.take(messages[-1].content)
        self.pass_until(given.asked)
        for token in given.pieces:
            await trio.sleep_until(token.offered)
            await tokens.send(token.text)
        await _end(given.end)
        cost = given.end.usage if given.end else {}
        return cattrs.structure(cost, Usage) if cost else None


@attrs.define(eq=False)
class ReplayedSynthesizer:
    """Gives each phrase's audio again, piece by piece."""

    recording: Recording
    pass_until: PassUntil
    _phrases: _Calls[_Given[tuple[f.Sound, Pcm], f.Said]] = attrs.Factory(_Calls)

    def __attrs_post_init__(self) -> None:
        phrases: dict[int, _Given[tuple[f.Sound, Pcm], f.Said]] = defaultdict(_Given)
        for sound, pcm in self.recording.sounds():
            phrases[sound.phrase].pieces.append((sound, pcm))
        for entry in self.recording.entries:
            if isinstance(entry, f.ToSay):
                phrases[entry.phrase].asked = entry.t
                self._phrases.add(entry.turn, entry.text, phrases[entry.phrase])
            elif isinstance(entry, f.Said):
                phrases[entry.phrase].end = entry

    @property
    def rate_hz(self) -> int:
        """The recorded one's."""
        return self.recording.header.synthesizer_rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """Send the pieces that came then."""
        given = self._phrases.take(phrase)
        self.pass_until(given.asked)
        for sound, pcm in given.pieces:
            await trio.sleep_until(sound.offered)
            words = tuple(WordMark(char, sample) for char, sample in sound.words)
            await audio.send(Speech(pcm, words))
        await _end(given.end)


@attrs.define(eq=False)
class _Given(Generic[T, EndT]):
    """What a call gave, and how it ended, if it did."""

    asked: float = -math.inf
    pieces: list[T] = attrs.Factory(list)
    end: EndT | None = None


async def _end(end: f.Replied | f.Said | None) -> None:
    # What has no end was cancelled then.
    await trio.sleep_until(math.inf if end is None else end.t)
    if end is not None and end.how != "done":
        raise _failure(end.how, end.error)


def _failure(how: f.How, error: str) -> Exception:
    return RuntimeError(error) if how == "crashed" else ProviderError(error)
