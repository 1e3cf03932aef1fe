"""Reports as text. Colours only add to it: everything can be read without them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from trioagent.latencies.definitions import COUNTS, HEADLINE, METRICS, WAITS
from trioagent.latencies.palette import BETTER, WAIT_COLOURS, WORSE
from trioagent.latencies.statistics import histogram

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.latencies.reading import Turn
    from trioagent.latencies.report import Report
    from trioagent.latencies.statistics import Comparison

LEVELS = "▁▂▃▄▅▆▇█"
EIGHTHS = "▏▎▍▌▋▊▉█"
HISTOGRAM_BARS = 16
# Less than this is shown as 0.0 by the number beside the bar.
VISIBLE_MS = 0.05
STYLES = {"better": BETTER, "worse": WORSE, "neither": "dim"}
LABELS = {m.key: m.label for m in (*METRICS, *WAITS)}


def show(reports: Sequence[Report], found: Sequence[Comparison]) -> None:
    """Print each report, and then, if there is one, the comparison of the first two."""
    console = Console(highlight=False)
    for one in reports:
        show_report(console, one)
    if found:
        show_comparison(console, (reports[0].file.name, reports[1].file.name), found)


def show_report(console: Console, report: Report) -> None:
    """Percentiles, then the ledgers of the median and the worst turns, then totals."""
    turns = len(report.file.turns)
    title = Text.assemble((report.file.name, "bold"), f"  {_many(turns, 'turn')}")
    # Names of files are copied from here: never broken in two.
    console.print(title, soft_wrap=True)
    console.print(_percentiles(report))
    console.print(_totals(report))
    _show_ledgers(console, report.named_turns)


def show_comparison(
    console: Console, names: tuple[str, str], found: Sequence[Comparison]
) -> None:
    """A line per metric: both medians, their difference and what it means."""
    for letter, name in zip("AB", names, strict=True):
        console.print(Text.assemble(f"{letter}: ", (name, "bold")), soft_wrap=True)
    console.print("medians in ms")
    table = _table("", "A", "B", "B - A", "95 % interval")
    table.add_column("")
    for one in found:
        verdict = Text(one.words, style=STYLES[one.judgement])
        if one.key == WAITS[0].key:
            table.add_section()
        numbers = (_ms(one.median_a), _ms(one.median_b), f"{one.difference:+.1f}")
        table.add_row(LABELS[one.key], *numbers, _interval(one), verdict)
    console.print(table)


def _percentiles(report: Report) -> Table:
    table = _table("ms", "count", "p50", "p90", "p99", "max")
    table.add_column("min … max")
    for metric in METRICS:
        summary = report.metrics.get(metric.key)
        if summary is None:
            continue
        values = report.file.values(metric.key)
        numbers = (summary.p50, summary.p90, summary.p99, summary.max)
        style = "bold" if metric.key == HEADLINE else ""
        cells = [str(summary.count), *(_ms(n) for n in numbers), text_bars(values)]
        table.add_row(metric.label, *cells, style=style)
    return table


def text_bars(values: Sequence[float]) -> str:
    """A histogram in one line: equal parts of the range, none is a blank."""
    counted = histogram(values, HISTOGRAM_BARS)
    highest = max(counted)
    return "".join(
        LEVELS[-(-n * len(LEVELS) // highest) - 1] if n else " " for n in counted
    )


def _totals(report: Report) -> Text:
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in report.outcomes.items())
    drafts, discarded, tokens, underruns = (f"{report.counts[k]:.0f}" for k in COUNTS)
    lines = [
        f"outcomes: {outcomes}",
        f"drafts: {drafts}, of them discarded: {discarded} ({tokens} tokens)",
        f"underruns: {underruns}",
    ]
    if report.queues is not None:
        packets, tokens, audio_ms, dropped = (
            f"{n:.0f}" for n in report.queues.values()
        )
        lines.append(
            f"fullest queues: {packets} packets, {tokens} tokens, {audio_ms} ms audio; "
            f"dropped: {dropped}"
        )
    return Text("\n".join(lines) + "\n")


def _show_ledgers(console: Console, named: Sequence[tuple[str, Turn]]) -> None:
    if not named:
        console.print(Text("no ledger: an older version wrote this file\n"))
        return
    label_width = max(len(w.label) for w in WAITS) + 2
    number_width = 9
    width = max(10, min(console.width, 100) - label_width - number_width - 1)
    scale_ms = max(VISIBLE_MS, *(sum((t.ledger or {}).values()) for _, t in named))
    console.print(Text("end of speech → first audio, all on one scale", style="bold"))
    for which, turn in named:
        about = f"turn {turn.number}, {turn.time}, {turn.speaker}"
        total = f"{_ms(turn.ttfa_ms)} ms"
        console.print(Text.assemble((f"{which}: {total}", "bold"), f"  {about}"))
        for key, label, bar, ms in _waterfall(turn, width, scale_ms):
            console.print(
                Text(f"  {label:<{label_width - 2}}{ms:>{number_width}} ")
                + Text(bar, style=WAIT_COLOURS[key])
            )
        console.print()


def _waterfall(
    turn: Turn, width: int, scale_ms: float
) -> list[tuple[str, str, str, str]]:
    """Key, label, bar and milliseconds of each wait that took any time."""
    rows = []
    start_ms = 0.0
    for wait in WAITS:
        took_ms = (turn.ledger or {})[wait.key]
        if abs(took_ms) >= VISIBLE_MS:
            bar = text_bar(start_ms / scale_ms, took_ms / scale_ms, width)
            rows.append((wait.key, wait.label, bar, _ms(took_ms)))
        start_ms += took_ms
    return rows


def text_bar(start: float, length: float, width: int) -> str:
    """A bar after blanks; `start` and `length` are parts of `width`. Never nothing."""
    first = min(round(start * width), width - 1)
    eighths = max(1, round((start + length) * width * 8) - first * 8)
    whole, rest = divmod(eighths, 8)
    return " " * first + "█" * whole + (EIGHTHS[rest - 1] if rest else "")


def _table(first: str, *numbers: str) -> Table:
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True
    )
    table.add_column(first, no_wrap=True)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _interval(one: Comparison) -> str:
    if one.low is None or one.high is None:
        return "-"
    return f"{one.low:+.1f} … {one.high:+.1f}"


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
