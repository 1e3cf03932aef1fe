"""How long to wait before the next attempt. Nothing in here awaits."""

from __future__ import annotations

import math

import attrs
import tenacity

STABLE_S = 30.0
"""A link that lived this long was a good one: the waits start from the shortest."""


@attrs.define(eq=False)
class Backoff:
    """Waits that double from `min_s` to `max_s`, with jitter, across attempts.

    A server that takes us and drops us at once is not hammered: only a link that
    lived for `STABLE_S` ends the series.
    """

    min_s: float
    max_s: float
    _attempts: int = 0
    _connected_at: float = -math.inf

    def connected(self, now: float) -> None:
        """Take note that an attempt worked."""
        self._connected_at = now

    def next_s(self, now: float) -> float:
        """Return how long to wait before the next attempt."""
        if self._connected_at > -math.inf and now - self._connected_at >= STABLE_S:
            self._attempts = 0
        self._connected_at = -math.inf
        self._attempts += 1
        growing = tenacity.wait_exponential(multiplier=self.min_s, max=self.max_s)
        wait = growing + tenacity.wait_random(0, self.min_s)
        state = tenacity.RetryCallState(tenacity.AsyncRetrying(), None, (), {})
        state.attempt_number = self._attempts
        return min(wait(state), self.max_s)
