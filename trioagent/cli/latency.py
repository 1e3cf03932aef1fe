"""`trioagent latency`: what the turns of latency.jsonl files cost, and where."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trioagent.errors import ConfigError
from trioagent.latencies.reading import read
from trioagent.latencies.report import comparisons, report
from trioagent.latencies.rows import comparison_rows, report_rows
from trioagent.visible import json_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable
    from pathlib import Path

    from trioagent.latencies.report import Report
    from trioagent.latencies.rows import Row
    from trioagent.latencies.statistics import Comparison

log = logging.getLogger("trioagent.latency")


def run(given: argparse.Namespace) -> int:
    """Show each file, or two against each other; 0, or ConfigError."""
    if given.compare and len(given.files) != 2:
        raise ConfigError(
            f"--compare takes two files, not {len(given.files)}",
            hint="first what was before, then what is now",
        )
    if given.html:
        _check_page(given.html, given.files)
    files = [read(path) for path in given.files]
    for file in files:
        for warning in file.warnings:
            log.warning("%s", warning)
    reports = [report(file) for file in files]
    found = comparisons(*files) if given.compare else []
    if given.html:
        _write_page(given.html, reports, found)
    if given.json:
        _print_rows(reports, found)
    else:
        _show(reports, found)
    return 0


def _show(reports: list[Report], found: list[Comparison]) -> None:
    from trioagent.latencies.terminal import show  # noqa: PLC0415 - loads rich

    show(reports, found)


def _print_rows(reports: list[Report], found: list[Comparison]) -> None:
    rows: list[Iterable[Row]] = [report_rows(one) for one in reports]
    if found:
        rows.append(comparison_rows(reports[0].file.name, reports[1].file.name, found))
    for part in rows:
        for row in part:
            print(json_line(row))  # noqa: T201 - --json


def _check_page(page: Path, files: list[Path]) -> None:
    """Before any work is done; the page must not replace what it is made from."""
    if page.exists() and any(f.exists() and page.samefile(f) for f in files):
        raise ConfigError(f"--html would overwrite {page}", hint="give another name")


def _write_page(page: Path, reports: list[Report], found: list[Comparison]) -> None:
    from trioagent.latencies.page import render  # noqa: PLC0415 - loads plotly

    html = render(reports, found)
    try:
        page.write_text(html, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot write {page}: {error.strerror or error}",
            hint="give a file in a folder that exists",
        ) from error
    log.info("wrote %s", page)
