"""One call to a provider, and what its breaker learns from it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.decisions.breaker import Breaker, Ticket
from trioagent.errors import ProviderError, first_error

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


@attrs.define(eq=False)
class Call:
    """A call that its breaker let through: a context manager around all of it.

    A `ProviderError` that leaves the block is a failure. An answer has to be told.
    Whatever else ends the block (cancellation, a reader that is gone) is neither.
    """

    breaker: Breaker
    ticket: Ticket
    error: ProviderError | None = None
    """Why it failed; set it if that does not leave the block."""
    _answered: bool = False

    def answered(self) -> None:
        """All that was asked for is there."""
        self._answered = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.error = self.error or _failure(error)
        if self.error is not None:
            now = trio.current_time()
            self.breaker.failed(self.ticket, str(self.error), now)
        elif self._answered:
            self.breaker.succeeded()
        else:
            self.breaker.abandoned(self.ticket)


def begin(breaker: Breaker) -> Call | None:
    """A call, if one is let through now."""
    ticket = breaker.admit(trio.current_time())
    return None if ticket is None else Call(breaker, ticket)


def _failure(error: BaseException | None) -> ProviderError | None:
    """The provider's error in what ended a call."""
    if isinstance(error, ProviderError):
        return error
    if not isinstance(error, BaseExceptionGroup):
        return None
    found = error.subgroup(ProviderError)
    return None if found is None else first_error(found)
