"""A what-if as text. Colours only add to it: everything can be read without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trioagent.latencies.palette import BETTER, WORSE
from trioagent.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.replay.what_if.effects import Effects

PERCENTILES = ("p50", "p90", "p99")
# Of these, fewer is better.
TROUBLES = {
    "cut_ins": "cut-ins",
    "underruns": "underruns",
    "drafts_discarded": "drafts discarded",
    "tokens_discarded": "tokens discarded",
    "missed": "replies missing",
}


def show(effects: Sequence[Effects], overrides: Sequence[str], recordings: int) -> None:
    """Print three of them side by side: as it was, before, and with the overrides."""
    console = Console(highlight=False)
    counted = f"{recordings} recording" + ("" if recordings == 1 else "s")
    console.print(Text(f"what if: {' '.join(overrides)}  ({counted})", style="bold"))
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    table.add_column("", no_wrap=True)
    for name in ("recorded", "before", "after", "change"):
        table.add_column(name, justify="right", no_wrap=True)
    for key in PERCENTILES:
        values = [None if e.ttfa is None else getattr(e.ttfa, key) for e in effects]
        table.add_row(f"TTFA {key} ms", *map(_ms, values), _change(*values[1:]))
    table.add_section()
    kinds = sorted({kind for e in effects for kind in e.outcomes})
    table.add_row("turns", *(str(e.turns) for e in effects), "")
    for kind in kinds:
        counts = [e.outcomes.get(kind, 0) for e in effects]
        named = Text(visible_line(f"  {kind}"))
        table.add_row(named, *map(str, counts), _signed(counts[2] - counts[1]))
    table.add_section()
    for key, label in TROUBLES.items():
        numbers = [getattr(e, key) for e in effects]
        change = Text(_signed(numbers[2] - numbers[1]))
        change.style = _style(numbers[2] - numbers[1])
        table.add_row(label, *map(str, numbers), change)
    console.print(table)
    console.print(
        "before: the recorded settings, run in the same way as those after",
        style="dim",
    )


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _change(before: float | None, after: float | None) -> Text:
    if before is None or after is None:
        return Text("-")
    change = after - before
    return Text(f"{change:+.1f}", style=_style(change if abs(change) >= 1 else 0))


def _signed(change: int) -> str:
    return f"{change:+d}" if change else ""


def _style(change: float) -> str:
    if not change:
        return "dim"
    return BETTER if change < 0 else WORSE
