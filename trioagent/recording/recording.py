"""A recording that was read, and what lies where in its audio."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import attrs
import numpy as np

from trioagent.interfaces import Pcm
from trioagent.journal.events import Event
from trioagent.recording.format import (
    SPOKEN,
    SYNTHESIZED,
    Ear,
    Entry,
    Frame,
    Happened,
    Header,
    Kept,
    Packet,
    Sound,
    heard_by,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

E = TypeVar("E", Packet, Sound, Frame)


@attrs.frozen(eq=False)
class Recording:
    """What went into the agent, and what it made of it.

    Attributes:
        heard: What each speaker said, by `Packet.speaker`, at `HEARING_RATE_HZ`.
        synthesized: At `header.synthesizer_rate_hz`.
        spoken: At `header.room_rate_hz`.
        complete: Whether it goes up to the end of its last turn.
        warnings: What is wrong with it, for people; it can be used all the same.
    """

    path: Path
    header: Header
    entries: tuple[Entry, ...]
    heard: dict[int, Pcm]
    synthesized: Pcm
    spoken: Pcm
    complete: bool
    warnings: tuple[str, ...] = ()

    @property
    def length_s(self) -> float:
        """From the first turn's beginning to the last entry."""
        return max(0.0, self.entries[-1].t) if self.entries else 0.0

    @property
    def turns(self) -> tuple[int, ...]:
        """The turns' numbers, in order of their first events."""
        events = (entry for entry in self.entries if isinstance(entry, Happened))
        return tuple(dict.fromkeys(event.turn for event in events))

    def events(self, turn: int) -> list[Event]:
        """A turn's journal; times count from its first event."""
        found = [e for e in self.entries if isinstance(e, Happened) and e.turn == turn]
        return [Event(round(e.t - found[0].t, 6), e.event, e.data) for e in found]

    def pre_roll(self, ear: Ear) -> list[tuple[Kept, Pcm]]:
        """What an ear of the header kept, with its samples."""
        heard = self.heard.get(ear.speaker, no_audio())
        ends = np.cumsum([kept.samples for kept in ear.pre_roll], dtype=np.int64)
        return [
            (kept, heard[end - kept.samples : end])
            for kept, end in zip(ear.pre_roll, ends, strict=True)
        ]

    def packets(self) -> Iterator[tuple[Packet, Pcm]]:
        """What came from the room, with its samples."""
        return self._with_audio(Packet)

    def sounds(self) -> Iterator[tuple[Sound, Pcm]]:
        """What the synthesizer gave, with its samples."""
        return self._with_audio(Sound)

    def frames(self) -> Iterator[tuple[Frame, Pcm]]:
        """What was written to the room, with its samples."""
        return self._with_audio(Frame)

    def _with_audio(self, kind: type[E]) -> Iterator[tuple[E, Pcm]]:
        audio = {heard_by(speaker): pcm for speaker, pcm in self.heard.items()}
        audio |= {SYNTHESIZED: self.synthesized, SPOKEN: self.spoken}
        used = kept_samples(self.header)
        for entry in self.entries:
            if isinstance(entry, kind):
                stem = stem_of(entry)
                start = used.get(stem, 0)
                used[stem] = start + entry.samples
                yield entry, audio.get(stem, no_audio())[start : used[stem]]


def kept_samples(header: Header) -> dict[str, int]:
    """How many samples the pre-rolls have, by stem."""
    return {
        heard_by(ear.speaker): sum(kept.samples for kept in ear.pre_roll)
        for ear in header.ears
    }


def stem_of(entry: Packet | Sound | Frame) -> str:
    """Where the audio of an entry is."""
    match entry:
        case Packet(speaker=speaker):
            return heard_by(speaker)
        case Sound():
            return SYNTHESIZED
        case Frame():
            return SPOKEN


def no_audio() -> Pcm:
    """Not a sample."""
    return np.zeros(0, np.int16)
