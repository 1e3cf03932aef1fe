"""What the tests count is added up and shown at the end, from all processes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

SUFFIX = " runs"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name.endswith(SUFFIX) and isinstance(value, int):
                totals[name] += value
    for name, total in totals.items():
        terminalreporter.write_line(f"{name.removesuffix(SUFFIX)}: {total} runs")
