"""How much of one user is answered: turns in a while, words in a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

MINUTE_S = 60.0
TOO_MANY_TURNS = "too many turns"


def _lists(taken: Iterable[tuple[str, Iterable[float]]]) -> dict[str, list[float]]:
    return {who: list(times) for who, times in taken}


@attrs.define(eq=False)
class TurnLimit:
    """At most so many answered turns of one user in any minute.

    A sliding window: with 30 a minute, the 31st is answered when the first of the 30
    before it began a minute ago. With a part of a turn a minute, it is one turn in a
    time so much longer. A turn is known by its user and when it began; asked about
    twice, it counts once.

    Attributes:
        per_minute: How many.
        taken: The turns that count: who, and when they began, in order.
    """

    per_minute: float
    taken: dict[str, list[float]] = attrs.field(factory=dict, converter=_lists)

    @property
    def turns(self) -> int:
        """How many there may be in a window."""
        return max(1, int(self.per_minute))

    @property
    def window_s(self) -> float:
        """How long a turn counts."""
        return MINUTE_S * self.turns / self.per_minute

    def take(self, who: str, began: float) -> bool:
        """Whether the turn that began then is within the limit; if so, it counts."""
        self._forget(began)
        times = self.taken.get(who, [])
        if began in times:
            return True
        if len(times) >= self.turns:
            return False
        # Moved to the end: in front are those who were quiet for longest.
        self.taken.pop(who, None)
        self.taken[who] = [*times, began]
        return True

    @property
    def remembered(self) -> tuple[tuple[str, tuple[float, ...]], ...]:
        """The turns that count, as a value."""
        return tuple((who, tuple(times)) for who, times in self.taken.items())

    def _forget(self, now: float) -> None:
        """Nobody who came once is remembered for ever."""
        since = now - self.window_s
        for who, times in list(self.taken.items()):
            left = [time for time in times if time > since]
            if left:
                self.taken[who] = left
            else:
                del self.taken[who]


def last_words(text: str, most: int) -> str:
    """`text`, or the last words of it if there are more than `most`.

    The last ones, because people say at the end what they want.
    """
    words = text.split()
    return text if len(words) <= most else " ".join(words[-most:])
