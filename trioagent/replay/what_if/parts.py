"""Recorded turns under other settings: the real agent, among parts that can guess.

The room and the detector give what they gave. What the models are asked may be what
they were not asked then; so they answer by the audio and the words of the question, and
in the time that they took, counted from the question. Nothing waits for a recorded
moment: a timer that was late then is in time here.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, TypeVar

import attrs
import trio

from trioagent.agent import Parts
from trioagent.errors import ProviderError
from trioagent.journal.events import CURRENT_TURN, TurnJournal
from trioagent.recording.recording import Recording
from trioagent.replay.again import Again, run_virtually
from trioagent.replay.room import ReplayedDetector, ReplayedRoom
from trioagent.replay.what_if.guesses import Phrases, Replies, phrases, replies
from trioagent.replay.what_if.timeline import FLUSH_SAMPLES, Timeline
from trioagent.replay.what_if.timelines import timelines

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from trioagent.config import Config
    from trioagent.interfaces import Message, Outlet, Pcm, Speech
    from trioagent.recording.format import How
    from trioagent.replay.what_if.guesses import Given

T = TypeVar("T")


@attrs.frozen(eq=False)
class Known:
    """What a recording says of its models: read once, and used for many runs."""

    recording: Recording
    timelines: Mapping[str, Timeline]
    replies: Replies
    phrases: Phrases

    @classmethod
    def of(cls, recording: Recording) -> Known:
        """Read it out of the entries."""
        return cls(
            recording, timelines(recording), replies(recording), phrases(recording)
        )


def what_if(known: Known, config: Config, seed: int = 0) -> Again:
    """Run the recording's turns under `config`, on a virtual clock."""
    room = ReplayedRoom(known.recording)
    if not known.recording.complete:
        room.until = known.recording.length_s
    parts = Parts(
        room,
        ReplayedDetector(room),
        GuessingRecognizer(known.timelines),
        GuessingLanguageModel(known.recording, known.replies),
        GuessingSynthesizer(known.phrases),
    )
    return run_virtually(known.recording, config, parts, seed=seed)


@attrs.frozen(eq=False)
class GuessingRecognizer:
    """Knows of a speaker's audio what the recorded one knew of it."""

    timelines: Mapping[str, Timeline]

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[GuessingStream]:
        """One for the speaker of the turn whose task this is."""
        journal = CURRENT_TURN.get()
        timeline = self.timelines.get(journal.speaker, Timeline())
        await trio.sleep(timeline.opening_s)
        yield GuessingStream(timeline, journal)


@attrs.define(eq=False)
class GuessingStream:
    """One utterance's: what was fed is what has come of it from the room."""

    timeline: Timeline
    journal: TurnJournal
    _utterances: int = attrs.field(init=False)
    """How many of the turn had ended before this one."""
    _start: int | None = None
    _position: int = 0

    def __attrs_post_init__(self) -> None:
        self._utterances = len(self._ends())

    async def feed(self, pcm: Pcm) -> str:
        """What was known after this audio."""
        position = self._heard()
        if self._start is None:
            self._start = self._position = position - len(pcm)
        silence = len(pcm) - (position - self._position)
        flushed, self._position = silence > FLUSH_SAMPLES // 2, position
        timeline, start = self.timeline, self._start
        await trio.sleep(timeline.fed_in_s(start, position, flushed=flushed))
        self._fail(finished=False)
        return timeline.hypothesis(start, position, flushed=flushed)

    async def finish(self) -> str:
        """What was known in the end, or would have been."""
        await trio.sleep(self.timeline.finishing_s)
        self._fail(finished=True)
        return self.timeline.transcript(self._start or 0, self._position)

    def _fail(self, *, finished: bool) -> None:
        start, position = self._start or 0, self._position
        failure = self.timeline.failure(start, position, finished=finished)
        if failure is not None:
            raise _error(failure.how, failure.error)

    def _heard(self) -> int:
        """What comes after the utterance's end is none of it."""
        ends = self._ends()[self._utterances :]
        return self.timeline.position(ends[0] if ends else trio.current_time())

    def _ends(self) -> list[float]:
        started = self.journal.started
        return [
            started + event.t
            for event in self.journal.events
            if event.name == "speech_ended"
        ]


@attrs.frozen(eq=False)
class GuessingLanguageModel:
    """Replies to the words of a recorded request as then, and somehow to others."""

    recording: Recording
    replies: Replies

    @property
    def name(self) -> str:
        """The recorded one's."""
        return self.recording.header.providers.get("llm", "")

    async def check(self) -> None:
        """It is there."""
        await trio.lowlevel.checkpoint()

    async def reply(self, messages: Sequence[Message], tokens: Outlet[str]) -> None:
        """Send the pieces in the time that they took."""
        turn = CURRENT_TURN.get().number
        await _give(self.replies.reply(turn, messages[-1].content), tokens)


@attrs.frozen(eq=False)
class GuessingSynthesizer:
    """Says recorded phrases as then, and is silent for as long as others would take."""

    phrases: Phrases

    @property
    def rate_hz(self) -> int:
        """The recorded one's."""
        return self.phrases.rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """Send the pieces in the time that they took."""
        await _give(self.phrases.phrase(phrase), audio)


async def _give(given: Given[T], outlet: Outlet[T]) -> None:
    for after_s, piece in given.pieces:
        await trio.sleep(after_s)
        await outlet.send(piece)
    await trio.sleep(given.rest_s)
    if given.how != "done":
        raise _error(given.how, given.error)


def _error(how: How, error: str) -> Exception:
    return RuntimeError(error) if how == "crashed" else ProviderError(error)
