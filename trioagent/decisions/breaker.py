"""A provider's circuit breaker: whether it is worth a call now.

closed ──`failures` in a row──▶ open ──after a pause──▶ half-open: one call, the probe
  ▲                              ▲                           │
  └── an answer ─────────────────┼───────────────────────────┤
                                 └── a failure ──────────────┘
"""

from __future__ import annotations

import math
from typing import Literal

import attrs

State = Literal["closed", "open", "half-open"]

FAILURES = 3
RETRY_S = 10.0
# One that seems to be back and fails again is asked less and less often, down to this.
LONGEST_PAUSE_S = 300.0
_MOST_DOUBLINGS = 16


@attrs.frozen(eq=False)
class Ticket:
    """One call that was let through; give it back with what came of it."""


@attrs.define(eq=False)
class Breaker:
    """Opens after so many failures in a row, and asks again after a pause.

    Attributes:
        failures: How many in a row open it.
        retry_s: How long it stays open before one call finds out whether all is well.
        in_a_row: Failures since the last answer.
        last_error: Why the last of them failed; empty if there is none.
        retry_at: When it is worth another try.
    """

    failures: int = FAILURES
    retry_s: float = RETRY_S
    in_a_row: int = 0
    last_error: str = ""
    retry_at: float = -math.inf
    _relapses: int = 0
    _owed: int = 0
    """How many failed in a row before it said that it was well."""
    _on_probation: bool = False
    _probe: Ticket | None = None

    @property
    def failing(self) -> bool:
        """Whether it failed when it was asked last."""
        return self.in_a_row > 0

    def state(self, now: float) -> State:
        """Whether calls go through: all, none, or one that finds out."""
        if self.in_a_row < self.failures:
            return "closed"
        waiting = self._probe is None and now < self.retry_at
        return "open" if waiting else "half-open"

    def admit(self, now: float) -> Ticket | None:
        """Let a call through; None if it would only cost time."""
        match self.state(now):
            case "closed":
                return Ticket()
            case "half-open" if self._probe is None:
                self._probe = Ticket()
                return self._probe
            case _:
                return None

    def succeeded(self) -> None:
        """There was an answer."""
        self._close()
        self._relapses, self._on_probation = 0, False

    def seems_well(self) -> None:
        """It says that it would answer. If it fails nevertheless, its row goes on."""
        if self.failing:
            self._owed = self.in_a_row
            self._close()
            self._on_probation = True

    def failed(self, ticket: Ticket, error: str, now: float) -> None:
        """There was none, and why."""
        newly = self.in_a_row < self.failures
        if self._on_probation:
            self._relapses += 1
            self._on_probation = False
            self.in_a_row = self._owed
        self.in_a_row += 1
        self.last_error = error
        # A call from before it opened says nothing about now.
        if newly or ticket is self._probe:
            self.retry_at = now + self._pause_s()
        self.abandoned(ticket)

    def abandoned(self, ticket: Ticket) -> None:
        """Its caller did not wait for what would come of it: that says nothing."""
        if ticket is self._probe:
            self._probe = None

    def _close(self) -> None:
        self.in_a_row, self.last_error = 0, ""
        self.retry_at, self._probe = -math.inf, None

    def _pause_s(self) -> float:
        doubled = self.retry_s * 2.0 ** min(self._relapses, _MOST_DOUBLINGS)
        return max(self.retry_s, min(doubled, LONGEST_PAUSE_S))
