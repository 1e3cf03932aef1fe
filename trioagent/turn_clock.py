"""A turn's patience: it runs while a reply is owed and nothing of it can be heard.

It begins with the speaker's last word and stands still while they speak, while the
reply waits for the floor, holds its breath, or sounds. When all is used up, the scope
of whoever keeps the turn waiting is cancelled.
"""

from __future__ import annotations

import math

import attrs
import trio

from trioagent.decisions.budget import Budget
from trioagent.errors import ProviderError

ENDPOINTING = "the end of speech"
RECOGNIZER = "the recognizer"
# Beyond the budget, for an apology to sound: enough for a synthesizer that is well.
APOLOGY_S = 5.0


@attrs.define(eq=False)
class TurnClock:
    """One turn's. Only one scope at a time is bound to it."""

    budget_s: float = math.inf
    _budget: Budget = attrs.field(init=False)
    _scope: trio.CancelScope = attrs.Factory(trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self._budget = Budget(self.budget_s)

    def bind(self, scope: trio.CancelScope) -> None:
        """From now on this one is what keeps the turn waiting."""
        self._scope.deadline = math.inf
        self._scope = scope
        self._set()

    def replace(self, old: trio.CancelScope, new: trio.CancelScope) -> None:
        """Bind `new` if `old` still is."""
        if self._scope is old:
            self.bind(new)

    def last_word(self, at: float) -> None:
        """The speaker has finished; their last word was `at`. All patience is back."""
        self._budget.renew()
        self._budget.seconds = self.budget_s
        self._budget.charge(ENDPOINTING, at)
        self.charge(RECOGNIZER)

    def charge(self, wait: str) -> None:
        """What is waited for from now on."""
        self._budget.charge(wait, trio.current_time())
        self._set()

    def stop(self) -> None:
        """Nothing is waited for that counts."""
        self.charge("")

    def used_up(self) -> ProviderError:
        """Why the turn is given up; leaves `APOLOGY_S` for saying so."""
        self._budget.charge("", trio.current_time())
        error = ProviderError(
            f"turn.budget_s = {self.budget_s:g}: all patience is used up: "
            f"{self._budget.told}",
            hint="docs/timeouts.md says what counts, and which keys bound each wait",
        )
        self._budget.seconds = sum(self._budget.spent.values()) + APOLOGY_S
        self._set()
        return error

    def _set(self) -> None:
        self._scope.deadline = self._budget.deadline
