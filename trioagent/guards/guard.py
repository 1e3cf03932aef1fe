"""How long to wait for one provider, and whether to ask it at all."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.decisions.breaker import Breaker, State
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.guards.call import Call, begin

if TYPE_CHECKING:
    from collections.abc import Iterator

_log = logging.getLogger(__name__)


@attrs.frozen
class Health:
    """How a provider is, for people and for `trioagent status`.

    `last_error` is why it failed when it was asked last; empty if it did not.
    `retry_in_s` is how long it will not be asked.
    """

    name: str
    state: State
    failures_in_a_row: int
    last_error: str
    retry_in_s: float


@attrs.define(eq=False)
class Guard:
    """One provider's bounds.

    Attributes:
        name: What it is, for people: "recognizer sherpa".
        key: Which key of the configuration says how long to wait for it.
        timeout_s: That key's value.
    """

    name: str
    key: str
    timeout_s: float
    breaker: Breaker = attrs.Factory(Breaker)

    @property
    def health(self) -> Health:
        """How it is now."""
        now, breaker = trio.current_time(), self.breaker
        state = breaker.state(now)
        wait_s = breaker.retry_at - now if state == "open" else 0.0
        return Health(self.name, state, breaker.in_a_row, breaker.last_error, wait_s)

    @contextmanager
    def call(self) -> Iterator[Call]:
        """Ask the provider in this block.

        Raises:
            ProviderUnavailable: it failed too often to be asked now, and why.
        """
        call = begin(self.breaker)
        if call is None:
            raise self._spared()
        before = self.health.state
        try:
            with call:
                yield call
        finally:
            self._tell(before)

    def no_answer(self, wait: str) -> ProviderError:
        """The error for a wait that took too long; `wait` says what did not come."""
        return ProviderError(
            f"{self.key} = {self.timeout_s:g}: the {self.name} {wait} "
            f"within {self.timeout_s:g} s",
            hint=f"if it is only slow, raise {self.key}",
        )

    def _spared(self) -> ProviderUnavailable:
        health = self.health
        return ProviderUnavailable(
            f"the {self.name} failed {health.failures_in_a_row} times in a row and is "
            f"not asked for {health.retry_in_s:.0f} s more: {health.last_error}",
            hint="[breaker] says when a provider is spared, and for how long",
        )

    def _tell(self, before: State) -> None:
        after = self.health
        if before == "closed" and after.state != "closed":
            _log.warning(
                "the %s is not asked any more: %s", self.name, after.last_error
            )
        elif before != "closed" and after.state == "closed":
            _log.warning("the %s is back", self.name)
