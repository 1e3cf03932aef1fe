"""An outlet that knows who keeps whom waiting."""

from __future__ import annotations

import math
from contextlib import contextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs
import trio

from trioagent.interfaces import Outlet

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.guards.guard import Guard

T = TypeVar("T")


@attrs.define(eq=False)
class TimedOutlet(Generic[T]):
    """Passes a provider's pieces on, and times its silence between them.

    While the reader holds a piece back, the provider is not waited for: that time does
    not count.
    """

    outlet: Outlet[T]
    timeout_s: float
    pieces: int = 0
    _scope: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _held_back: int = 0

    async def send(self, value: T) -> None:
        """Send it; the provider's time begins anew when it is taken."""
        self._held_back += 1
        self._scope.deadline = math.inf
        try:
            await self.outlet.send(value)
        finally:
            self._held_back -= 1
            self._again()

    def send_nowait(self, value: T) -> None:
        """Send it if there is room."""
        self.outlet.send_nowait(value)
        self._again()

    @contextmanager
    def timing(self, guard: Guard) -> Iterator[None]:
        """The provider's call.

        Raises:
            ProviderError: it was silent for too long.
        """
        self._again(first=True)
        with self._scope:
            yield
        if self._scope.cancelled_caught:
            wait = "gave no further piece" if self.pieces else "gave no first piece"
            raise guard.no_answer(wait)

    def _again(self, *, first: bool = False) -> None:
        self.pieces += not first
        if not self._held_back:
            self._scope.deadline = trio.current_time() + self.timeout_s
