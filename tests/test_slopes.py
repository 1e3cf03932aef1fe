"""Slopes of figures that were sampled: they find a leak, and do not cry wolf."""

from __future__ import annotations

import numpy as np
import pytest

from bench.slopes import FEWEST, slope


def wandering(seed: int, count: int, memory: float) -> np.ndarray:
    """Noise in which neighbours are alike."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(size=count)
    for i in range(1, count):
        noise[i] += memory * noise[i - 1]
    return noise


def test_a_straight_line_has_its_slope_and_no_doubt() -> None:
    found = slope([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [3 + 2 * x for x in range(10)])
    assert found.value == pytest.approx(2)
    assert found.low == pytest.approx(found.high)
    assert found.is_growth


def test_what_stays_the_same_has_no_slope() -> None:
    found = slope(range(100), [7.0] * 100)
    assert (found.value, found.low, found.high) == (0, 0, 0)
    assert found.is_zero


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.8])
def test_noise_that_remembers_is_rarely_taken_for_growth(memory: float) -> None:
    runs = 400
    wrong = sum(
        not slope(range(200), wandering(seed, 200, memory)).is_zero
        for seed in range(runs)
    )
    # A twentieth is promised; a plain regression says it of a half, with 0.8.
    assert wrong / runs < 0.12


def test_a_small_leak_is_found_under_noise() -> None:
    leak = 0.05 * np.arange(200)
    found = [slope(range(200), leak + wandering(seed, 200, 0.5)) for seed in range(100)]
    assert sum(line.is_growth for line in found) > 95
    inside = sum(line.low <= 0.05 <= line.high for line in found)
    assert inside > 85


def test_too_few_samples_say_nothing() -> None:
    with pytest.raises(ValueError, match="too few"):
        slope(range(FEWEST - 1), range(FEWEST - 1))
    with pytest.raises(ValueError, match="same place"):
        slope([1.0] * FEWEST, range(FEWEST))
