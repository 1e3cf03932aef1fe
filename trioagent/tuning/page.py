"""A report as one page that holds all it needs, in the style of `trioagent latency`."""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

from plotly.io import to_html

from trioagent.latencies.layout import Figure, axis, layout
from trioagent.latencies.palette import BETTER, FILE_COLOURS
from trioagent.latencies.template import STYLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.tuning.choice import Candidate
    from trioagent.tuning.report import Report

TICKS = 10
TRIED = "rgba(128, 136, 148, 0.55)"

PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<title>Tuning</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>Tuning</h1>
<p>{measured_on}, run again on a virtual clock.</p>
</header>
<section id="verdict"><h2>{verdict}</h2><div class="facts">{facts}</div></section>
<section><h2>What there is to choose between</h2>
<p>Each dot is a setting: its median TTFA against its cut-ins, which are replies that
begin while the speaker has not finished. On the line, nothing is quicker without more
of them. Hover for the setting.</p>
{figure}</section>
<section id="front"><h2>The line, point by point</h2>{table}</section>
<footer>Written by trioagent tune.</footer>
</body>
</html>
"""


def render(report: Report) -> str:
    """The page."""
    figure: str = to_html(
        _figure(report),
        config={"displaylogo": False, "displayModeBar": False, "responsive": True},
        include_plotlyjs=True,
        full_html=False,
        validate=False,
        div_id="curve",
    )
    return PAGE.format(
        style=STYLE,
        measured_on=escape(report.measured_on()),
        verdict=escape(report.verdict()),
        facts=_facts(report),
        figure=figure,
        table=_table(report),
    )


def _facts(report: Report) -> str:
    before, after = report.found.recorded, report.best
    told = [
        (_ms(after.ttfa_ms), "median TTFA"),
        (_ms(before.ttfa_ms), "as recorded"),
        (_ms(after.ttfa_p90_ms), "p90"),
        (str(after.effects.cut_ins), "cut-ins"),
        (str(after.effects.underruns), "underruns"),
    ]
    cells = [f"<div><b>{n}</b><span>{what}</span></div>" for n, what in told]
    return "".join(cells).replace("<div>", '<div class="lead">', 1)


def _figure(report: Report) -> Figure:
    recorded, best = report.found.recorded, report.best
    traces = [
        _dots(report, report.found.tried, "tried", color=TRIED, size=8),
        _dots(report, report.front, "best for so many cut-ins", color=FILE_COLOURS[0])
        | {"mode": "lines+markers", "line": {"shape": "hv", "color": FILE_COLOURS[0]}},
        _dots(
            report,
            [recorded],
            "recorded",
            color=FILE_COLOURS[1],
            symbol="diamond",
            size=13,
        ),
    ]
    if report.satisfied:
        traces.append(
            _dots(report, [best], "proposed", color=BETTER, symbol="star", size=17)
        )
    whole = layout(
        height=440,
        margin={"l": 64, "r": 8, "t": 8, "b": 56},
        xaxis=_cut_in_axis(max(c.effects.cut_ins for c in report.found.candidates)),
        yaxis=axis(ticksuffix=" ms", rangemode="tozero"),
    )
    return {"data": traces, "layout": whole}


def _cut_in_axis(most: int) -> Figure:
    """Whole numbers, and room for the marks at both ends."""
    return axis(
        title={"text": "cut-ins"},
        dtick=max(1, math.ceil(most / TICKS)),
        tick0=0,
        range=[-0.04 * most - 0.2, 1.04 * most + 0.2],
    )


def _dots(
    report: Report,
    candidates: Sequence[Candidate],
    name: str,
    **marker: str | float,
) -> Figure:
    heard = [candidate for candidate in candidates if candidate.effects.ttfa]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [candidate.effects.cut_ins for candidate in heard],
        "y": [candidate.ttfa_ms for candidate in heard],
        "customdata": [escape(report.name(candidate)) for candidate in heard],
        "marker": {"size": 10, **marker},
        "hovertemplate": "%{customdata}<br>%{y:.1f} ms, %{x} cut-ins<extra></extra>",
    }


def _table(report: Report) -> str:
    heads = ("cut-ins", "TTFA p50", "p90", "underruns", "tokens discarded")
    head = "".join(f"<th>{name}</th>" for name in heads)
    lines = []
    for candidate in report.front:
        effects = candidate.effects
        numbers = (
            effects.cut_ins,
            _ms(candidate.ttfa_ms),
            _ms(candidate.ttfa_p90_ms),
            effects.underruns,
            effects.tokens_discarded,
        )
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        name = f'<td class="text">{escape(report.name(candidate))}</td>'
        style = ' class="headline"' if candidate is report.best else ""
        lines.append(f"<tr{style}>{cells}{name}</tr>")
    return (
        f'<table><thead><tr>{head}<th class="text">setting</th></tr></thead>'
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _ms(value: float) -> str:
    return f"{value:.0f} ms" if value < float("inf") else "-"
