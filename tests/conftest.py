"""For all tests: signals reach them, and what they count is shown at the end."""

from __future__ import annotations

import signal
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pytest

SUFFIX = " runs"


def pytest_configure() -> None:
    """Take SIGINT and SIGHUP, which `nohup pytest &` inherits as ignored.

    The agents that the tests start inherit what this process does with a signal.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    totals: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name.endswith(SUFFIX) and isinstance(value, int):
                totals[name] += value
    for name, total in totals.items():
        terminalreporter.write_line(f"{name.removesuffix(SUFFIX)}: {total} runs")
