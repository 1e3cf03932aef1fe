"""Which setting is best, and what there is to choose between. Pure functions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs

from trioagent.replay.what_if.effects import Effects
from trioagent.tuning.ranges import Setting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trioagent.tuning.ranges import Range

# A tenth of a millisecond is no difference.
DECIMALS = 1


@attrs.frozen
class Limits:
    """What a setting may at most cost, over all recordings."""

    cut_ins: float = 0
    underruns: float = 0
    missed: float = 0
    """Replies that are missing with the recorded settings are so with all."""

    def excess(self, effects: Effects) -> float:
        """By how much they are broken; 0 is within them."""
        return sum(
            max(0, found - most)
            for found, most in (
                (effects.cut_ins, self.cut_ins),
                (effects.underruns, self.underruns),
                (effects.missed, self.missed),
            )
        )


@attrs.frozen
class Candidate:
    """A setting, what it comes to, and how far it is from the recorded one."""

    setting: Setting
    effects: Effects
    distance: float = 0.0

    @property
    def ttfa_ms(self) -> float:
        """The median."""
        return round(self.effects.ttfa.p50, DECIMALS) if self.effects.ttfa else math.inf

    @property
    def ttfa_p90_ms(self) -> float:
        """The 90th percentile."""
        return round(self.effects.ttfa.p90, DECIMALS) if self.effects.ttfa else math.inf


def rank(candidate: Candidate, limits: Limits) -> tuple[float, ...]:
    """The less, the better: within the limits, then quick, then near."""
    return (
        limits.excess(candidate.effects),
        candidate.ttfa_ms,
        candidate.ttfa_p90_ms,
        candidate.distance,
    )


def best(candidates: Sequence[Candidate], limits: Limits) -> Candidate:
    """The best, whether it is within the limits or not."""
    return min(candidates, key=lambda candidate: rank(candidate, limits))


def front(candidates: Sequence[Candidate], limits: Limits) -> list[Candidate]:
    """What no other beats in both median TTFA and cut-ins; fewest cut-ins first.

    The other limits hold for all of them, if they can.
    """
    open_end = attrs.evolve(limits, cut_ins=math.inf)
    within = [c for c in candidates if not open_end.excess(c.effects)]
    found: list[Candidate] = []
    order = sorted(within, key=lambda c: (c.effects.cut_ins, *rank(c, open_end)))
    for candidate in order:
        if math.isfinite(candidate.ttfa_ms) and (
            not found or candidate.ttfa_ms < found[-1].ttfa_ms
        ):
            found.append(candidate)
    return found


def distance(
    setting: Setting, recorded: Mapping[str, Any], ranges: Sequence[Range]
) -> float:
    """How far a setting is from what was recorded, in ranges."""
    values = dict(setting)
    return sum(
        one.distance(values[one.key], recorded[one.key])
        for one in ranges
        if one.key in values and one.key in recorded
    )
