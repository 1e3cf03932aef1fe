"""Stand between the agent and its parts, and note on a tape what goes through.

Each does what the part does, at the same moment and with the same errors.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.agent import Parts
from trioagent.interfaces import (
    Inlet,
    Pcm,
    Room,
    RoomEvent,
    Speaker,
    VadStream,
    VoiceActivityDetector,
)
from trioagent.recording import format as f
from trioagent.recording.model_taps import (
    TappedLanguageModel,
    TappedRecognizer,
    TappedSynthesizer,
)
from trioagent.recording.noting import Tape

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def tap(parts: Parts, tape: Tape) -> Parts:
    """The same parts, observed."""
    return Parts(
        TappedRoom(parts.room, tape),
        TappedDetector(parts.vad, tape),
        TappedRecognizer(parts.recognizer, tape),
        TappedLanguageModel(parts.language_model, tape),
        TappedSynthesizer(parts.synthesizer, tape),
    )


# --- the room --------------------------------------------------------------------


@attrs.define(eq=False)
class TappedRoom:
    """A room; its events and the frames written to it are noted."""

    room: Room
    tape: Tape
    _talking: bool = False

    @property
    def name(self) -> str:
        """The room's."""
        return self.room.name

    @property
    def address(self) -> str:
        """The room's."""
        return self.room.address

    @property
    def events(self) -> Inlet[RoomEvent]:
        """The room's, noted when they are taken."""
        return TappedEvents(self.room.events, self.tape.room_event)

    @property
    def figures(self) -> Mapping[str, object]:
        """The room's, if it has any: the status tells them, the watchdog needs them."""
        figures: Mapping[str, object] = getattr(self.room, "figures", {})
        return figures

    def frame_rate_hz(self, source_rate_hz: int) -> int:
        """The room's."""
        return self.room.frame_rate_hz(source_rate_hz)

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:
        """Write it, and note it in the same step."""
        self.room.write(frame, rate_hz, last=last)
        self._talking = not last
        entry = f.Frame(trio.current_time(), len(frame), last)
        self.tape.note(entry, f.SPOKEN, frame)

    def end_talk(self) -> None:
        """End the talk spurt; noted if there is one."""
        self.room.end_talk()
        if self._talking:
            self._talking = False
            self.tape.note(f.TalkEnded(trio.current_time()))

    async def send_text(self, text: str, to: Speaker | None = None) -> None:
        """Not noted: it is no part of a turn."""
        await self.room.send_text(text, to)


@attrs.frozen(eq=False)
class TappedEvents:
    """Events, shown to `taken` when they are taken."""

    inlet: Inlet[RoomEvent]
    taken: Callable[[RoomEvent], None]

    def __aiter__(self) -> AsyncIterator[RoomEvent]:
        return self

    async def __anext__(self) -> RoomEvent:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def receive(self) -> RoomEvent:
        """The next one."""
        event = await self.inlet.receive()
        self.taken(event)
        return event

    def receive_nowait(self) -> RoomEvent:
        """The next one, if there is one."""
        event = self.inlet.receive_nowait()
        self.taken(event)
        return event


@attrs.frozen(eq=False)
class TappedDetector:
    """A detector; what it says of each packet is noted with the packet."""

    detector: VoiceActivityDetector
    tape: Tape

    def stream(self) -> VadStream:
        """One speaker's."""
        return _TappedVadStream(self.detector.stream(), self.tape)


@attrs.frozen(eq=False)
class _TappedVadStream:
    stream: VadStream
    tape: Tape

    @property
    def frame_samples(self) -> int:
        return self.stream.frame_samples

    def probability(self, frame: Pcm) -> float:
        value = self.stream.probability(frame)
        self.tape.probability(value)
        return value

    def reset(self) -> None:
        self.stream.reset()
