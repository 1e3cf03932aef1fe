"""Percentiles, histograms and comparisons. Everything is a function of its input."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from trioagent.latencies.definitions import LONGER_IS_BETTER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from trioagent.latencies.reading import Turn

Judgement = Literal["better", "worse", "neither"]

NO_DIFFERENCE = "no clear difference"
RESAMPLES = 10_000
SEED = 0
CONFIDENCE = 0.95

# With n values, even the interval from the least to the greatest misses the median with
# probability 2 / 2^n: below 6 there is no interval of 95 %.
MIN_VALUES = 6

# A difference can be certain and still not matter: nobody hears this one.
SLIGHT_MS = 1.0


@attrs.frozen
class Summary:
    """Percentiles by linear interpolation, in the unit of the values."""

    count: int
    p50: float
    p90: float
    p99: float
    max: float


def summarize(values: Sequence[float]) -> Summary | None:
    """None where there are no values."""
    if not values:
        return None
    p50, p90, p99, greatest = np.percentile(values, [50, 90, 99, 100])
    return Summary(len(values), float(p50), float(p90), float(p99), float(greatest))


def histogram(values: Sequence[float], bins: int) -> list[int]:
    """How many values lie in each of `bins` equal parts of their range."""
    counted, _ = np.histogram(values, bins=bins)
    return [int(n) for n in counted]


@attrs.frozen
class Comparison:
    """How far the median moved from one file to the other: negative is less."""

    key: str
    median_a: float
    median_b: float
    low: float | None
    """Ends of the 95 % confidence interval; None with too few values."""
    high: float | None

    @property
    def difference(self) -> float:
        """Second median minus first."""
        return self.median_b - self.median_a

    @property
    def verdict(self) -> str:
        """In words; a difference counts when its interval excludes 0."""
        if self.low is None or self.high is None:
            return "too few turns"
        if self.low <= 0 <= self.high:
            return NO_DIFFERENCE
        if self.key in LONGER_IS_BETTER:
            return "longer lead" if self.low > 0 else "shorter lead"
        return "slower" if self.low > 0 else "faster"

    @property
    def judgement(self) -> Judgement:
        """Whether to be glad of it."""
        judged: dict[str, Judgement] = {
            "faster": "better",
            "longer lead": "better",
            "slower": "worse",
            "shorter lead": "worse",
        }
        if abs(self.difference) < SLIGHT_MS:
            return "neither"
        return judged.get(self.verdict, "neither")

    @property
    def words(self) -> str:
        """The verdict, and that it does not matter where it does not."""
        certain = self.low is not None and self.verdict != NO_DIFFERENCE
        slight = certain and abs(self.difference) < SLIGHT_MS
        return f"{self.verdict} by < 1 ms" if slight else self.verdict


def compare(key: str, a: Sequence[float], b: Sequence[float]) -> Comparison | None:
    """The difference of medians with its bootstrap interval; None if one has no values.

    Percentile intervals: Efron & Tibshirani, An Introduction to the Bootstrap, 1993,
    chapter 13. The same input gives the same interval.
    """
    if not a or not b:
        return None
    median_a, median_b = float(np.median(a)), float(np.median(b))
    if min(len(a), len(b)) < MIN_VALUES:
        return Comparison(key, median_a, median_b, None, None)
    rng = np.random.default_rng(SEED)
    moved = resampled_medians(b, rng) - resampled_medians(a, rng)
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(moved, [tail, 1 - tail])
    return Comparison(key, median_a, median_b, float(low), float(high))


def resampled_medians(
    values: Sequence[float], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Medians of `RESAMPLES` samples with replacement, each as large as `values`.

    The samples need not be drawn. A resample takes the sorted values at the indices
    floor(n U) of n uniform numbers U, so its median lies at the middle ones of these;
    and the k-th smallest of n uniform numbers is Beta(k, n + 1 - k) distributed (David
    & Nagaraja, Order Statistics, 2003, chapter 2). The cost does not depend on n.
    """
    ordered = np.sort(np.asarray(values, np.float64))
    n = len(ordered)
    if n % 2:
        middle = rng.beta((n + 1) / 2, (n + 1) / 2, RESAMPLES)
        return ordered[_index(middle, n)]
    half = n // 2
    lower = rng.beta(half, half + 1, RESAMPLES)
    # The next one is the smallest of the others, which are uniform above `lower`.
    upper = lower + (1 - lower) * rng.beta(1, half, RESAMPLES)
    return (ordered[_index(lower, n)] + ordered[_index(upper, n)]) / 2


def _index(uniform: NDArray[np.float64], n: int) -> NDArray[np.intp]:
    # Rounding may give 1.0, which no uniform number below 1 is.
    return np.minimum((uniform * n).astype(np.intp), n - 1)


def median_turn(turns: Sequence[Turn]) -> Turn | None:
    """Of the turns with a ledger, the one nearest to the median total TTFA of all."""
    heard = [t.ttfa_ms for t in turns if t.ttfa_ms is not None]
    if not heard:
        return None
    median = float(np.median(heard))
    explained = [
        (abs(ms - median), i, t) for i, (ms, t) in enumerate(_explained(turns))
    ]
    return min(explained)[2] if explained else None


def worst_turns(turns: Sequence[Turn], count: int = 3) -> list[Turn]:
    """The turns with a ledger that took longest to the first audio, worst first."""
    ordered = sorted(_explained(turns), key=lambda explained: -explained[0])
    return [turn for _, turn in ordered[:count]]


def _explained(turns: Sequence[Turn]) -> list[tuple[float, Turn]]:
    return [(t.ttfa_ms, t) for t in turns if t.ledger and t.ttfa_ms is not None]
