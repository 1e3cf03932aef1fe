"""Reports as one page that holds all it needs: it can be mailed, and read offline."""

from __future__ import annotations

import json
from html import escape
from typing import TYPE_CHECKING, Any

from plotly.io import to_html

from trioagent.latencies import figures
from trioagent.latencies.definitions import METRICS, WAITS
from trioagent.latencies.tables import (
    comparison_table,
    facts,
    file_names,
    percentile_table,
)
from trioagent.latencies.template import PAGE, SCRIPT, STYLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.latencies.layout import Figure
    from trioagent.latencies.report import Report
    from trioagent.latencies.statistics import Comparison

MEASURES = {m.key: m for m in (*METRICS, *WAITS)}


def render(reports: Sequence[Report], found: Sequence[Comparison]) -> str:
    """The page; `found` compares the second file with the first, or is empty."""
    sections = [*(facts(report, i) for i, report in enumerate(reports))]
    if found:
        sections.append(_comparison(reports, found))
    # The first figure brings plotly along.
    sections.append(_histograms(reports))
    sections.append(_ledgers(reports))
    sections.append(
        f'<section id="percentiles"><h2>Percentiles</h2>'
        f"<p>Milliseconds. &emsp; {file_names(reports)}</p>"
        f"{percentile_table(reports)}</section>"
    )
    names = " and ".join(report.file.name for report in reports)
    return PAGE.format(
        title=escape(f"Latency: {names}"),
        style=STYLE,
        sections="\n".join(sections),
        views=_views(reports),
        script=SCRIPT,
    )


def _comparison(reports: Sequence[Report], found: Sequence[Comparison]) -> str:
    a, b = (escape(report.file.name) for report in reports)
    return (
        '<section id="comparison"><h2>What changed</h2>'
        f"<p>Medians in milliseconds, B ({b}) against A ({a}), with "
        "the 95&nbsp;% bootstrap interval of the difference. It is called a difference "
        "where the interval excludes 0. Each drawing has a scale of its own, with 0 in "
        f"the middle.</p>{comparison_table(found)}</section>"
    )


def _histograms(reports: Sequence[Report]) -> str:
    keys = figures.measured(reports)
    first = MEASURES[keys[0]]
    options = _options("Metrics", [m.key for m in METRICS if m.key in keys])
    waits = [w.key for w in WAITS if w.key in keys]
    options += _options("Waits of the ledger", waits) if waits else ""
    figure = figures.histograms(reports)
    figure["layout"]["shapes"] = figures.median_lines(reports, first.key)
    return (
        '<section><div class="bar"><h2>Distribution</h2>'
        '<select id="metric-select" autocomplete="off" aria-label="metric">'
        f'{options}</select></div><p id="metric-meaning">{escape(_meaning(first.key))}'
        f"</p>{_figure(figure, 'histogram', with_plotly=True)}</section>"
    )


def _ledgers(reports: Sequence[Report]) -> str:
    explained = [report for report in reports if report.median is not None]
    if not explained:
        return (
            '<section id="no-ledger"><h2>Where the time went</h2><p>An older version '
            "wrote these turns: they have no ledger.</p></section>"
        )
    cut = any(_explained_turns(r) > figures.MOST_TURNS for r in explained)
    last = f" The last {figures.MOST_TURNS} turns are shown." if cut else ""
    return (
        "<section><h2>Where the time went: the median and the worst turns</h2>"
        "<p>Each millisecond between the end of speech and the first audio is charged "
        f"to the one thing that was waited for.</p>"
        f"{_figure(figures.named_turns(explained), 'turns')}</section>"
        '<section><div class="bar"><h2>Where the time went: every turn</h2>'
        '<select id="ledger-sort" autocomplete="off" aria-label="order of turns">'
        '<option value="trace">in order of time</option>'
        '<option value="total descending">slowest first</option></select></div>'
        "<p>Hover for all waits of a turn; click a wait in the legend to leave it out."
        f"{last}</p>{_figure(figures.ledger(explained), 'ledger')}</section>"
    )


def _explained_turns(report: Report) -> int:
    return sum(turn.ledger is not None for turn in report.file.turns)


def _options(group: str, keys: Sequence[str]) -> str:
    options = (
        f'<option value="{k}">{escape(MEASURES[k].label)}</option>' for k in keys
    )
    return f'<optgroup label="{group}">{"".join(options)}</optgroup>'


def _views(reports: Sequence[Report]) -> str:
    views: dict[str, Any] = {
        key: {
            "meaning": _meaning(key),
            "shapes": figures.median_lines(reports, key),
        }
        for key in figures.measured(reports)
    }
    return json.dumps(views).replace("<", "\\u003c")


def _meaning(key: str) -> str:
    return f"{key}: {MEASURES[key].meaning}. The dotted line is the median."


def _figure(figure: Figure, name: str, *, with_plotly: bool = False) -> str:
    made: str = to_html(
        figure,
        config={"displaylogo": False, "displayModeBar": False, "responsive": True},
        include_plotlyjs=with_plotly,
        full_html=False,
        validate=False,
        div_id=name,
    )
    return made
