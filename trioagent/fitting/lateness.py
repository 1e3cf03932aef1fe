"""How late the event loop is: how long after its time a timer's task runs."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

TICK_S = 0.005
"""Four looks for each frame that has to leave for the room."""


@attrs.define(eq=False)
class Lateness:
    """How late each timer was, in seconds."""

    late_s: list[float] = attrs.Factory(list)

    def quantile_ms(self, share: float) -> float | None:
        """So late at most was this share of the timers; None if there were none."""
        if not self.late_s:
            return None
        ordered = sorted(self.late_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@asynccontextmanager
async def watching(lateness: Lateness) -> AsyncIterator[None]:
    """Set timers, and note in `lateness` how late they were, until the block ends."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_watch, lateness, name="lateness of timers")
        yield
        nursery.cancel_scope.cancel("watched long enough")


async def _watch(lateness: Lateness) -> None:
    due = trio.current_time() + TICK_S
    while True:
        await trio.sleep_until(due)
        now = trio.current_time()
        lateness.late_s.append(now - due)
        # A late one is noted once: those it made late are skipped.
        due += TICK_S * max(1, int((now - due) / TICK_S) + 1)
