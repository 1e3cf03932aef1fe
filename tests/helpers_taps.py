"""A tape that keeps what is noted, and errors of all kinds."""

from __future__ import annotations

import attrs
import numpy as np

from trioagent.errors import ProviderError
from trioagent.interfaces import (
    Pcm,
    RoomEvent,
)
from trioagent.recording import format as f


@attrs.define(eq=False)
class ListTape:
    """Keeps what is noted."""

    entries: list[f.Entry] = attrs.Factory(list)
    audio: list[tuple[str, Pcm]] = attrs.Factory(list)
    events: list[RoomEvent] = attrs.Factory(list)
    probabilities: list[float] = attrs.Factory(list)
    numbers: int = 0

    def note(self, entry: f.Entry, stem: str = "", pcm: Pcm | None = None) -> None:
        self.entries.append(entry)
        if pcm is not None:
            self.audio.append((stem, pcm))

    def number(self) -> int:
        self.numbers += 1
        return self.numbers

    def room_event(self, event: RoomEvent) -> None:
        self.events.append(event)

    def probability(self, value: float) -> None:
        self.probabilities.append(value)


PCM = np.arange(1, 321, dtype=np.int16)
BUG = RuntimeError("a bug")
FAILURE = ProviderError("too late", hint="be quicker")
ERRORS: list[tuple[Exception, str, str]] = [
    (FAILURE, "failed", "too late\n  be quicker"),
    (BUG, "crashed", "a bug"),
    (ExceptionGroup("", [ExceptionGroup("", [FAILURE])]), "failed", str(FAILURE)),
    (ExceptionGroup("", [FAILURE, BUG]), "crashed", str(FAILURE)),
    (ValueError(), "crashed", "ValueError"),
]
