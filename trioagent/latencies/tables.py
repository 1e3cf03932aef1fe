"""The page's tables and numbers, as HTML."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from trioagent.latencies.definitions import HEADLINE, METRICS, WAITS
from trioagent.latencies.palette import WAIT_COLOURS, file_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.latencies.definitions import Measure
    from trioagent.latencies.report import Report
    from trioagent.latencies.statistics import Comparison

DRAWING_PX = 150


def facts(report: Report, index: int) -> str:
    """A file's name and what it says in a few numbers."""
    summary = report.metrics[HEADLINE]
    counts = {key: f"{n:.0f}" for key, n in report.counts.items()}
    outcomes = ", ".join(f"{n} {outcome}" for outcome, n in report.outcomes.items())
    discarded = (
        f"{counts['drafts_discarded']} discarded ({counts['tokens_discarded']} tokens)"
    )
    told = [
        (f"{summary.p50:.0f} ms", "median total TTFA"),
        (f"{summary.p90:.0f} ms", "p90"),
        (f"{summary.p99:.0f} ms", "p99"),
        (str(len(report.file.turns)), "turns"),
        (counts["drafts"], f"drafts, {discarded}"),
        (counts["underruns"], "underruns"),
    ]
    if report.queues is not None and report.queues["dropped"]:
        told.append((f"{report.queues['dropped']:.0f}", "dropped from queues"))
    cells = [f"<div><b>{escape(n)}</b><span>{what}</span></div>" for n, what in told]
    cells[0] = cells[0].replace("<div>", '<div class="lead">', 1)
    return (
        f'<section id="file-{index + 1}"><h2>{_swatch(file_colour(index))}'
        f"{escape(report.file.name)}</h2><p>{escape(outcomes)}</p>"
        f'<div class="facts">{"".join(cells)}</div></section>'
    )


def file_names(reports: Sequence[Report]) -> str:
    """Which colour is which file."""
    names = (
        f"{_swatch(file_colour(i))}{escape(report.file.name)}"
        for i, report in enumerate(reports)
    )
    return " &emsp; ".join(names)


def percentile_table(reports: Sequence[Report]) -> str:
    """A row per metric or wait and file."""
    rows: list[str] = []
    for title, measures in (("", METRICS), ("Waits of the ledger", WAITS)):
        group = [_percentile_rows(m, reports) for m in measures]
        if title and any(group):
            rows.append(f'<tr class="group"><td colspan="7">{title}</td></tr>')
        rows += group
    head = "".join(f"<th>{name}</th>" for name in ("count", "p50", "p90", "p99", "max"))
    return (
        f'<table><thead><tr><th></th>{head}<th class="text">from → to</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _percentile_rows(measure: Measure, reports: Sequence[Report]) -> str:
    rows: list[str] = []
    for index, report in enumerate(reports):
        summary = report.metrics.get(measure.key) or report.waits.get(measure.key)
        if summary is None:
            continue
        several = len(reports) > 1
        swatch = _swatch(file_colour(index)) if several else _wait_swatch(measure.key)
        numbers = (summary.p50, summary.p90, summary.p99, summary.max)
        cells = "".join(f"<td>{n:.1f}</td>" for n in numbers)
        meaning = "" if rows else escape(measure.meaning)
        rows.append(
            f"<tr{_headline(measure.key)}><td>{swatch}{measure.label}</td>"
            f'<td>{summary.count}</td>{cells}<td class="text">{meaning}</td></tr>'
        )
    return "".join(rows)


def comparison_table(found: Sequence[Comparison]) -> str:
    """A row per metric or wait: medians, difference, interval and verdict."""
    labels = {m.key: m.label for m in (*METRICS, *WAITS)}
    rows = []
    for one in found:
        if one.key == WAITS[0].key:
            group = '<tr class="group"><td colspan="7">Waits of the ledger</td></tr>'
            rows.append(group)
        rows.append(
            f"<tr{_headline(one.key)}><td>{_wait_swatch(one.key)}{labels[one.key]}</td>"
            f"<td>{one.median_a:.1f}</td><td>{one.median_b:.1f}</td>"
            f"<td>{one.difference:+.1f}</td><td>{_interval(one)}</td>"
            f"<td>{_drawing(one)}</td>"
            f'<td class="text"><span class="verdict {one.judgement}">'
            f"{escape(one.words)}</span></td></tr>"
        )
    names = ("A", "B", "B - A", "95&nbsp;% interval", "")
    head = "".join(f"<th>{name}</th>" for name in names)
    return (
        f'<table><thead><tr><th></th>{head}<th class="text"></th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _interval(one: Comparison) -> str:
    if one.low is None or one.high is None:
        return "-"
    return f"{one.low:+.1f} … {one.high:+.1f}"


def _drawing(one: Comparison) -> str:
    """The interval as a line with the difference on it, 0 in the middle."""
    if one.low is None or one.high is None:
        return ""
    reach = max(abs(one.low), abs(one.high), abs(one.difference)) or 1
    middle = DRAWING_PX / 2
    low, high, at = (
        middle + (middle - 6) * value / reach
        for value in (one.low, one.high, one.difference)
    )
    return (
        f'<svg class="interval {one.judgement}" viewBox="0 0 {DRAWING_PX} 16" '
        f'aria-hidden="true"><path class="zero" d="M{middle} 0V16"/>'
        f'<path class="span" d="M{low:.1f} 8H{high:.1f}"/>'
        f'<circle cx="{at:.1f}" cy="8" r="4"/></svg>'
    )


def _headline(key: str) -> str:
    return ' class="headline"' if key == HEADLINE else ""


def _wait_swatch(key: str) -> str:
    return _swatch(WAIT_COLOURS[key]) if key in WAIT_COLOURS else ""


def _swatch(colour: str) -> str:
    return f'<span class="swatch" style="background: {colour}"></span>'
