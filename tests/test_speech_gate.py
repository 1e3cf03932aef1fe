from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.decisions.speech_gate import SpeechGate

if TYPE_CHECKING:
    from collections.abc import Iterable

FRAME_S = 0.02


def gate(min_speech_ms: float = 60) -> SpeechGate:
    return SpeechGate(0.5, 0.35, min_speech_ms / 1000)


def run(gate: SpeechGate, probabilities: Iterable[float]) -> list[tuple[bool, bool]]:
    """Speech and onset after each frame."""
    return [(gate.update(p, FRAME_S), gate.onset) for p in probabilities]


def test_speech_starts_at_one_threshold_and_ends_below_the_other() -> None:
    seen = [s for s, _ in run(gate(), [0.49, 0.5, 0.36, 0.35, 0.34, 0.49, 0.5])]
    assert seen == [False, True, True, True, False, False, True]


@pytest.mark.parametrize(
    ("min_speech_ms", "frames"), [(0, 1), (20, 1), (30, 2), (60, 3), (200, 10)]
)
def test_the_onset_comes_with_the_frame_that_makes_it_long_enough(
    min_speech_ms: float, frames: int
) -> None:
    onsets = [onset for _, onset in run(gate(min_speech_ms), [0.9] * 20)]
    assert onsets.index(True) == frames - 1
    assert all(onsets[frames - 1 :])


def test_interrupted_speech_starts_counting_again() -> None:
    assert not any(onset for _, onset in run(gate(), [0.9, 0.9, 0.1] * 20))


def test_silence_is_no_onset_even_without_a_minimum() -> None:
    assert not any(onset for _, onset in run(gate(0), [0.49] * 5))


def test_reset_forgets_speech_and_its_length() -> None:
    one = gate()
    run(one, [0.9, 0.9, 0.9])
    one.reset()
    assert not one.speaking
    assert not one.onset
    assert run(one, [0.4, 0.9, 0.9]) == [(False, False), (True, False), (True, False)]


@given(st.lists(st.floats(0, 1), max_size=60), st.integers(0, 200))
def test_an_onset_always_follows_enough_speech_in_a_row(
    probabilities: list[float], min_speech_ms: int
) -> None:
    run_s = 0.0
    for speech, onset in run(gate(min_speech_ms), probabilities):
        run_s = run_s + FRAME_S if speech else 0.0
        assert onset == (speech and run_s > min_speech_ms / 1000 - 1e-6)
