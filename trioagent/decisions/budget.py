"""How much of a turn's patience is used up, and by what."""

from __future__ import annotations

import math

import attrs


@attrs.define(eq=False)
class Budget:
    """Seconds that may be spent waiting, charged to one named wait at a time."""

    seconds: float = math.inf
    spent: dict[str, float] = attrs.Factory(dict)
    _wait: str = ""
    _since: float = 0.0

    def renew(self) -> None:
        """Nothing is spent any more, and nothing is waited for."""
        self.spent.clear()
        self._wait = ""

    def charge(self, wait: str, now: float) -> None:
        """From `now` on, time is spent on `wait`; "" is none that counts."""
        if self._wait:
            spent = self.spent.get(self._wait, 0.0) + now - self._since
            self.spent[self._wait] = spent
        self._wait, self._since = wait, now

    @property
    def deadline(self) -> float:
        """When all will be spent, as things stand; infinite while nothing counts."""
        if not self._wait:
            return math.inf
        return self._since + self.seconds - sum(self.spent.values())

    @property
    def told(self) -> str:
        """Where the time went: "0.4 s for the end of speech, 19.6 s for …"."""
        return ", ".join(f"{s:.1f} s for {wait}" for wait, s in self.spent.items())
