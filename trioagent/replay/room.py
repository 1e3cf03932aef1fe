"""The recorded room: what came from it comes again, and what is written is noted."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.interfaces import (
    LinkLost,
    LinkRestored,
    Pcm,
    RoomEvent,
    Speaker,
    SpeakerJoined,
    SpeakerLeft,
    VoicePacket,
)
from trioagent.recording import format as f
from trioagent.recording.recording import Recording

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.journal.events import Event, TurnJournal

PassUntil = Callable[[float], None]
"""Lets the clock pass until then, if that is a moment ago or ahead."""

# No turn goes on for so long after the last packet.
LONGEST_REST_S = 600.0


@attrs.frozen(eq=False)
class WrittenFrame:
    """A frame that went to the room."""

    time: float
    samples: int
    last: bool


@attrs.define(eq=False)
class ReplayedRoom:
    """The recorded room: its events come at the recorded times.

    They end when all came and all turns are over, or at `until`.
    """

    recording: Recording
    pass_until: PassUntil = lambda _time: None
    until: float = math.inf
    running: set[int] = attrs.Factory(set)
    """The turns that run."""
    frames: list[WrittenFrame] = attrs.Factory(list)
    speech: Iterator[float] = attrs.Factory(lambda: iter(()))
    """What the detector said of the packet that the agent hears now."""
    _events: Iterator[tuple[float, RoomEvent, tuple[float, ...]]] = attrs.field(
        init=False
    )
    _people: dict[int, Speaker] = attrs.Factory(dict)
    _outcome: trio.Event = attrs.Factory(trio.Event)
    _written: Iterator[f.Frame] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._events = self._all_events()
        entries = self.recording.entries
        self._written = (entry for entry in entries if isinstance(entry, f.Frame))

    @property
    def name(self) -> str:
        """The recorded agent's."""
        return self.recording.header.agent

    @property
    def address(self) -> str:
        """Where the recording lies."""
        return str(self.recording.path)

    @property
    def events(self) -> ReplayedRoom:
        """The recorded ones."""
        return self

    def frame_rate_hz(self, source_rate_hz: int) -> int:  # noqa: ARG002 - recorded
        """The recorded room's."""
        return self.recording.header.room_rate_hz

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:  # noqa: ARG002 - the recorded rate
        """Note it."""
        self.frames.append(WrittenFrame(trio.current_time(), len(frame), last))
        if then := next(self._written, None):
            self.pass_until(then.t)

    def end_talk(self) -> None:
        """There is nobody who waits for it."""

    async def send_text(self, text: str, to: Speaker | None = None) -> None:  # noqa: ARG002 - as it says
        """Nobody reads it."""
        await trio.lowlevel.checkpoint()

    def __aiter__(self) -> AsyncIterator[RoomEvent]:
        return self

    async def __anext__(self) -> RoomEvent:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def receive(self) -> RoomEvent:
        """The next event, when its time has come."""
        following = next(self._events, None)
        if following is None:
            await self._settle()
            raise trio.EndOfChannel
        time, event, speech = following
        await trio.sleep_until(time)
        self.speech = iter(speech)
        return event

    def receive_nowait(self) -> RoomEvent:
        """Nobody asks for it: an agent waits."""
        raise trio.WouldBlock

    def observe(self, journal: TurnJournal, event: Event) -> None:
        """An observer of the agent's turns: when all are over, the room can close."""
        if event.name == "outcome":
            self.running.discard(journal.number)
            self._outcome.set()
        else:
            self.running.add(journal.number)

    async def _settle(self) -> None:
        with trio.move_on_at(min(self.until, trio.current_time() + LONGEST_REST_S)):
            while self.running:
                self._outcome = trio.Event()
                await self._outcome.wait()

    def _all_events(self) -> Iterator[tuple[float, RoomEvent, tuple[float, ...]]]:
        start = trio.current_time()
        for person in self.recording.header.present:
            yield start, SpeakerJoined(self._know(person)), ()
        audio = (pcm for _, pcm in self.recording.packets())
        for entry in self.recording.entries:
            match entry:
                case f.Packet(t, speaker, _, ends_talk, arrived, speech):
                    time = t if arrived is None else arrived
                    pcm, who = next(audio), self._speaker(speaker)
                    yield t, VoicePacket(who, pcm, ends_talk, time), speech
                case f.Joined(t, person):
                    yield t, SpeakerJoined(self._know(person)), ()
                case f.Left(t, speaker):
                    yield t, SpeakerLeft(self._speaker(speaker)), ()
                case f.Lost(t, reason):
                    yield t, LinkLost(reason), ()
                case f.Restored(t):
                    yield t, LinkRestored(), ()

    def _know(self, person: f.Person) -> Speaker:
        speaker = Speaker(person.id, person.name, person.agent, person.certificate)
        self._people[speaker.id] = speaker
        return speaker

    def _speaker(self, number: int) -> Speaker:
        return self._people.get(number) or self._know(f.Person(number, f"#{number}"))


@attrs.frozen(eq=False)
class ReplayedDetector:
    """Says of each packet what the detector said then."""

    room: ReplayedRoom

    @property
    def frame_samples(self) -> int:
        """The recorded detector's."""
        return self.room.recording.header.vad_frame_samples

    def stream(self) -> ReplayedDetector:
        """For any speaker: it knows which packet is heard."""
        return self

    def probability(self, frame: Pcm) -> float:  # noqa: ARG002 - recorded
        """What it was; 0 where the recording has none."""
        return next(self.room.speech, 0.0)

    def reset(self) -> None:
        """Nothing is remembered."""
