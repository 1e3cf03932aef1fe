"""What taps write to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from trioagent.interfaces import Pcm, RoomEvent
    from trioagent.recording.format import Entry


class Tape(Protocol):
    """Where it is noted."""

    def note(self, entry: Entry, stem: str = "", pcm: Pcm | None = None) -> None:
        """This happened; `pcm` belongs to it, in the audio file `stem`.

        Times are `trio.current_time()`.
        """
        ...

    def number(self) -> int:
        """One that no call had before."""
        ...

    def room_event(self, event: RoomEvent) -> None:
        """The agent takes this from the room."""
        ...

    def probability(self, value: float) -> None:
        """The detector said this of the packet that was taken last."""
        ...
