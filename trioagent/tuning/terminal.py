"""A report as text. Colours only add to it: everything can be read without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trioagent.latencies.palette import BETTER, WORSE
from trioagent.latencies.terminal import text_bar

if TYPE_CHECKING:
    from trioagent.tuning.choice import Candidate
    from trioagent.tuning.report import Report

BAR_WIDTH = 16
WIDE = 100
"""On narrower terminals, the settings need the room."""


def show(report: Report) -> None:
    """What was recorded, what there is to choose between, and the verdict."""
    console = Console(highlight=False)
    console.print(Text(report.measured_on(), style="bold"))
    console.print(_table(report, bars=console.width >= WIDE))
    style = BETTER if report.satisfied else WORSE
    console.print(Text(report.verdict(), style=style))
    if not report.alike:
        note = "The recordings were made with different settings; each is compared"
        console.print(Text(f"{note} with its own.", style="dim"))


def _table(report: Report, *, bars: bool) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True
    )
    table.add_column("", no_wrap=True)
    for name in ("cut-ins", "underruns", "TTFA p50", "p90 ms"):
        table.add_column(name, justify="right", no_wrap=True)
    if bars:
        table.add_column("", no_wrap=True)
    table.add_column("setting", min_width=24)
    recorded = report.found.recorded
    shown = [recorded, *(c for c in report.front if c is not recorded)]
    if all(candidate is not report.best for candidate in shown):
        shown.append(report.best)
    longest_ms = max((c.ttfa_ms for c in shown if c.effects.ttfa), default=1.0)
    for candidate in shown:
        cells = _cells(report, candidate)
        if bars:
            share = candidate.ttfa_ms / longest_ms if candidate.effects.ttfa else 0.0
            cells.insert(-1, text_bar(0, share, BAR_WIDTH) if share else "")
        style = _style(report, candidate)
        table.add_row(*(Text(cell, style=style) for cell in cells))
        if candidate is recorded:
            table.add_section()
    return table


def _cells(report: Report, candidate: Candidate) -> list[str]:
    effects = candidate.effects
    return [
        "*" if candidate is report.best and report.satisfied else "",
        str(effects.cut_ins),
        str(effects.underruns),
        f"{candidate.ttfa_ms:.1f}" if effects.ttfa else "-",
        f"{candidate.ttfa_p90_ms:.1f}" if effects.ttfa else "-",
        report.name(candidate),
    ]


def _style(report: Report, candidate: Candidate) -> str:
    if candidate is report.best and report.satisfied:
        return f"bold {BETTER}"
    return "dim" if report.limits.excess(candidate.effects) else ""
