from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers_latency import ledger, line, older, silent
from trioagent.latencies.reading import parse
from trioagent.latencies.report import comparisons, report
from trioagent.latencies.statistics import (
    compare,
    histogram,
    median_turn,
    resampled_medians,
    summarize,
    worst_turns,
)

if TYPE_CHECKING:
    from tests.helpers_latency import Line
    from trioagent.latencies.reading import LatencyFile

MILLISECONDS = st.floats(-1e4, 1e6, allow_nan=False)


def file_of(*lines: Line) -> LatencyFile:
    return parse("made.jsonl", "\n".join(json.dumps(one) for one in lines))


def took(number: int, ttfa_ms: float) -> Line:
    waits = ledger(endpoint_hold_ms=ttfa_ms)
    return line(number, total_ttfa_ms=ttfa_ms, ledger=waits)


def test_percentiles_are_interpolated() -> None:
    summary = summarize([50.0, 10.0, 40.0, 20.0, 30.0])
    assert summary is not None
    assert summary.count == 5
    assert (summary.p50, summary.p90, summary.max) == (30.0, 46.0, 50.0)
    assert summary.p99 == pytest.approx(49.6)


def test_one_value_is_all_of_its_percentiles_and_none_has_none() -> None:
    summary = summarize([7.0])
    assert summary is not None
    assert (summary.count, summary.p50, summary.p99, summary.max) == (1, 7, 7, 7)
    assert summarize([]) is None


@given(st.lists(MILLISECONDS, min_size=1))
def test_percentiles_lie_in_order_between_the_values(values: list[float]) -> None:
    summary = summarize(values)
    assert summary is not None
    ordered = [min(values), summary.p50, summary.p90, summary.p99, summary.max]
    assert all(b >= a - 1e-9 * abs(a) for a, b in pairwise(ordered))
    assert summary.max == max(values)


@given(st.lists(MILLISECONDS, min_size=1), st.integers(1, 40))
def test_a_histogram_loses_no_value(values: list[float], bins: int) -> None:
    counted = histogram(values, bins)
    assert len(counted) == bins
    assert sum(counted) == len(values)


@pytest.mark.parametrize("n", [6, 7, 30, 31])
def test_medians_are_distributed_as_if_samples_were_drawn(n: int) -> None:
    """Against resampling by the book; the bounds are 4 standard errors and more."""
    rng = np.random.default_rng(5)
    values = np.sort(rng.gamma(2, 100, n))
    drawn = np.median(values[rng.integers(0, n, (10_000, n))], axis=1)
    ours = resampled_medians(list(values), rng)
    assert ours.shape == drawn.shape
    spread = drawn.std()
    assert abs(ours.mean() - drawn.mean()) < 0.06 * spread
    assert ours.std() == pytest.approx(spread, rel=0.05)
    grid = np.quantile(drawn, [0.05, 0.25, 0.5, 0.75, 0.95])
    ours_below = [(ours <= at).mean() for at in grid]
    drawn_below = [(drawn <= at).mean() for at in grid]
    assert ours_below == pytest.approx(drawn_below, abs=0.03)


def test_the_interval_holds_the_true_difference_as_often_as_it_says() -> None:
    """400 pairs of samples whose medians truly differ by 50."""
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(400):
        a, b = rng.normal(300, 80, 40), rng.normal(350, 80, 40)
        found = compare("asr_ms", list(a), list(b))
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        held += found.low <= 50 <= found.high
    # 95 % are meant; bootstrapped medians are known to be a little too careful.
    assert 0.92 <= held / 400 <= 0.995


@pytest.mark.parametrize(
    ("key", "shift", "verdict"),
    [
        ("llm_ttft_ms", 60.0, "slower, worse"),
        ("llm_ttft_ms", -60.0, "faster, better"),
        ("llm_ttft_ms", 0.0, "no clear difference, neither"),
        ("draft_lead_ms", 60.0, "longer lead, better"),
        ("draft_lead_ms", -60.0, "shorter lead, worse"),
    ],
)
def test_a_difference_counts_when_its_interval_excludes_zero(
    key: str, shift: float, verdict: str
) -> None:
    rng = np.random.default_rng(2)
    before = rng.normal(300, 30, 50)
    after = before[::-1] + shift
    found = compare(key, list(before), list(after))
    assert found is not None
    assert found.difference == pytest.approx(shift)
    assert f"{found.words}, {found.judgement}" == verdict
    assert found == compare(key, list(before), list(after)), "not the same again"


def test_a_certain_difference_that_nobody_hears_is_called_slight() -> None:
    slight = compare("floor_ms", [0.0] * 9, [0.9] * 9)
    assert slight is not None
    assert slight.verdict == "slower"
    assert (slight.words, slight.judgement) == ("slower by < 1 ms", "neither")
    heard = compare("floor_ms", [0.0] * 9, [1.0] * 9)
    assert heard is not None
    assert (heard.words, heard.judgement) == ("slower", "worse")
    few = compare("floor_ms", [0.0] * 3, [0.9] * 3)
    assert few is not None
    assert (few.words, few.judgement) == ("too few turns", "neither")


def test_the_same_constant_is_no_difference() -> None:
    found = compare("asr_ms", [20.0] * 9, [20.0] * 9)
    assert found is not None
    assert (found.low, found.high) == (0, 0)
    assert found.verdict == "no clear difference"


def test_few_turns_prove_nothing() -> None:
    found = compare("asr_ms", [100.0] * 5, [1.0] * 500)
    assert found is not None
    assert found.difference == -99
    assert (found.low, found.high, found.verdict) == (None, None, "too few turns")
    enough = compare("asr_ms", [100.0] * 6, [1.0] * 6)
    assert enough is not None
    assert enough.verdict == "faster"


def test_what_did_not_happen_is_not_compared() -> None:
    assert compare("stale_ms", [], [1.0] * 10) is None
    both = comparisons(file_of(line()), file_of(older()))
    keys = {one.key for one in both}
    assert "asr_ms" in keys
    assert "stale_ms" not in keys
    assert "pacing_ms" not in keys, "the older file has no ledger"


@given(st.lists(MILLISECONDS, min_size=6), st.lists(MILLISECONDS, min_size=6))
def test_exchanged_files_exchange_the_sign(a: list[float], b: list[float]) -> None:
    there, back = compare("asr_ms", a, b), compare("asr_ms", b, a)
    assert there is not None
    assert back is not None
    assert there.difference == -back.difference
    assert there.low is not None
    assert there.high is not None
    assert there.low <= there.high


def test_the_median_turn_is_the_one_nearest_to_the_median() -> None:
    file = file_of(took(1, 100), took(2, 950), took(3, 300), silent(4), took(5, 310))
    found = median_turn(file.turns)
    assert found is not None
    assert found.number == 3, "305 is the median; the first of the two nearest"


def test_only_a_turn_with_a_ledger_can_be_explained() -> None:
    file = file_of(took(1, 100), took(2, 200), older(3) | {"total_ttfa_ms": 150.0})
    found = median_turn(file.turns)
    assert found is not None
    assert found.number == 1
    assert median_turn(file_of(older()).turns) is None


def test_the_worst_turns_come_worst_first() -> None:
    file = file_of(*(took(n, ms) for n, ms in enumerate([5, 900, 20, 800, 30, 850])))
    assert [t.number for t in worst_turns(file.turns)] == [1, 5, 3]
    assert [t.number for t in worst_turns(file.turns[:2])] == [1, 0]


def test_counts_are_summed_and_outcomes_counted() -> None:
    queues = {"packets": 9, "tokens": 1, "audio_ms": 60, "dropped": 2}
    made = report(
        file_of(line(1, queues=queues), line(2, underruns=3), silent(3), silent(4))
    )
    assert made.outcomes == {"answered": 2, "ignored": 2}
    assert made.counts == {
        "drafts": 8,
        "drafts_discarded": 4,
        "tokens_discarded": 20,
        "underruns": 3,
    }
    assert made.queues == {"packets": 9, "tokens": 2, "audio_ms": 80, "dropped": 2}
    assert made.metrics["total_turn_ms"].count == 4
    assert made.metrics["asr_ms"].count == 2
    assert "stale_ms" not in made.metrics
