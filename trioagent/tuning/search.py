"""Which settings are tried: all, or some at random and then those around the best."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import attrs

from trioagent.tuning.choice import Candidate, Limits, distance, rank
from trioagent.tuning.ranges import Point, Space
from trioagent.tuning.trial import AS_RECORDED, Trials

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.replay.what_if.effects import Effects
    from trioagent.tuning.ranges import Setting

# The same search finds the same.
SEED = 0
# The part of a budget that is spent at random.
AT_RANDOM = 0.5
# So many of the best are looked around at a time.
BEST = 3


@attrs.frozen
class Found:
    """What was tried, with the recorded setting first."""

    recorded: Candidate
    tried: tuple[Candidate, ...]
    complete: bool
    """Whether that is all there is."""

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """All of them."""
        return (self.recorded, *self.tried)


@attrs.define(eq=False)
class _Search:
    space: Space
    trials: Trials
    limits: Limits
    known: dict[Point, Candidate] = attrs.Factory(dict)

    def try_all(self, points: Sequence[Point]) -> None:
        settings = [self.space.setting(point) for point in points]
        for point, setting, effects in zip(
            points, settings, self.trials.run(settings), strict=True
        ):
            self.known[point] = self._candidate(setting, effects)

    def _candidate(self, setting: Setting, effects: Effects) -> Candidate:
        away = distance(setting, self.trials.recorded(), self.space.ranges)
        return Candidate(setting, effects, away)

    def around_the_best(self) -> list[Point]:
        """Neighbours of the best that have not been tried."""
        ranked = sorted(self.known, key=lambda p: rank(self.known[p], self.limits))
        found = (n for point in ranked[:BEST] for n in self.space.neighbours(point))
        return [point for point in dict.fromkeys(found) if point not in self.known]


def search(
    space: Space, trials: Trials, recorded: Effects, limits: Limits, budget: int
) -> Found:
    """Try at most `budget` settings; `recorded` is what the recorded one comes to."""
    trying = _Search(space, trials, limits)
    if space.size <= budget:
        trying.try_all(list(space.points()))
    else:
        chance = random.Random(SEED)  # noqa: S311 - it shall be the same each time
        count = max(1, round(budget * AT_RANDOM))
        places = chance.sample(range(space.size), count)
        trying.try_all([space.point(place) for place in places])
        while len(trying.known) < budget and (near := trying.around_the_best()):
            trying.try_all(near[: budget - len(trying.known)])
    tried = tuple(trying.known[point] for point in sorted(trying.known))
    complete = len(tried) == space.size
    return Found(Candidate(AS_RECORDED, recorded), tried, complete)
