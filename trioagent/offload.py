"""Blocking model calls: in a worker thread, or inline with a declared cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

import trio

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class ThreadOffload:
    """Runs one call at a time in a worker thread.

    If cancelled, the caller goes on at once and the call is abandoned: its thread runs
    to the end and the next call waits for it. So a call is short, or asks
    `trio.from_thread.check_cancelled` between its parts.
    """

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)

    @property
    def busy(self) -> bool:
        """Whether a thread is at work, abandoned or not."""
        return self._limiter.borrowed_tokens > 0

    async def __call__(self, fn: Callable[[*Ts], T], /, *args: *Ts) -> T:
        """Return `fn(*args)`, run in a thread."""
        return await trio.to_thread.run_sync(
            fn, *args, abandon_on_cancel=True, limiter=self._limiter
        )

    async def drain(self) -> None:
        """Wait until an abandoned call has ended."""
        async with self._limiter:
            pass


class InlineOffload:
    """Runs a call in the event loop after sleeping for what it would have cost.

    For tests and replay: the time passes on Trio's clock, so a virtual clock rules it.
    """

    def __init__(self, cost_s: float = 0.0) -> None:
        self._cost_s = cost_s

    async def __call__(self, fn: Callable[[*Ts], T], /, *args: *Ts) -> T:
        """Return `fn(*args)`, `cost_s` from now."""
        await trio.sleep(self._cost_s)
        return fn(*args)
