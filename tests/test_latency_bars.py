from __future__ import annotations

import pytest

from trioagent.latencies.terminal import text_bar, text_bars


@pytest.mark.parametrize(
    ("start", "length", "bar"),
    [
        (0, 1, "██████████"),
        (0, 0.5, "█████"),
        (0.5, 0.5, "     █████"),
        (0.2, 0.05, "  ▌"),
        (0.3, 0.0001, "   ▏"),
        (1, 0.0001, "         █"),
    ],
)
def test_bars_have_eighths_of_a_column(start: float, length: float, bar: str) -> None:
    assert text_bar(start, length, 10) == bar


def test_histogram_bars_show_even_one_value() -> None:
    values = [0.0] * 1000 + [7.5] * 500 + [15.0]
    bars = text_bars(values)
    assert (bars[0], bars[-1]) == ("█", "▁")
    assert bars[8] == "▄"
    assert set(bars[1:8] + bars[9:-1]) == {" "}
