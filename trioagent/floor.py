"""Who may speak: one reply at a time, in the order in which they were ready."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from trioagent.decisions.interruption import BargeIn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Speaker


class Replying(Protocol):
    """A turn, as the floor sees it."""

    @property
    def speaker(self) -> Speaker:
        """Whom it answers."""
        ...

    @property
    def audible(self) -> bool:
        """Whether its reply is being heard now."""
        ...

    @property
    def interrupted(self) -> bool:
        """Whether its reply was stopped."""
        ...

    def interrupt(self, reason: str, *, by: str = "") -> None:
        """Stop now."""
        ...


@attrs.define(eq=False)
class Floor:
    """One room's floor, and what takes it away."""

    barge_in: BargeIn
    holder: Replying | None = None
    _queue: trio.StrictFIFOLock = attrs.Factory(trio.StrictFIFOLock)

    @asynccontextmanager
    async def held_by(self, turn: Replying) -> AsyncIterator[None]:
        """Wait for the floor; leaving the block hands it to the next turn."""
        async with self._queue:
            self.holder = turn
            try:
                yield
            finally:
                self.holder = None

    @property
    def speaking(self) -> Replying | None:
        """The turn whose reply is being heard now."""
        holder = self.holder
        return holder if holder is not None and holder.audible else None

    def heard(self, turn: Replying, speech_s: float, text: str) -> None:
        """`turn`'s speaker has said so much: interrupt the reply that is heard?"""
        speaking = self.speaking
        if speaking is None or speaking is turn:
            return
        allowed = self.barge_in.allowed(turn.speaker.id, speaking.speaker.id)
        if allowed and self.barge_in.confirmed(speech_s, text):
            speaking.interrupt("barge-in", by=turn.speaker.name)
