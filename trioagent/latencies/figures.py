"""The figures of the page, as plain data for plotly: traces and layouts.

Texts and lines get their colours from the page, which knows whether it is dark.
"""

from __future__ import annotations

import html
import math
from collections import Counter
from typing import TYPE_CHECKING

from trioagent.latencies.definitions import METRICS, WAITS
from trioagent.latencies.layout import Figure, axis, layout
from trioagent.latencies.palette import WAIT_COLOURS, file_colour

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.latencies.reading import Turn
    from trioagent.latencies.report import Report

MOST_BARS = 40
# More stacked bars than this can neither be told apart nor drawn quickly.
MOST_TURNS = 500
LEDGER_HEIGHT_PX = 320
NAMED_ROW_PX = 40
LONGEST_NAME = 30


def histograms(reports: Sequence[Report]) -> Figure:
    """A histogram per metric or wait and file; the page shows one metric's at a time.

    Each trace's "meta" is its metric's key.
    """
    traces = []
    for key in measured(reports):
        bins = nice_bins([v for r in reports for v in r.file.values(key)])
        for index, report in enumerate(reports):
            trace = _histogram(report, key, shares=len(reports) > 1)
            trace["marker"] = {"color": file_colour(index)}
            trace["visible"] = key == measured(reports)[0]
            traces.append(trace | {"xbins": bins})
    whole = layout(
        barmode="overlay",
        bargap=0.04,
        height=360,
        showlegend=len(reports) > 1,
        xaxis=axis(ticksuffix=" ms"),
        yaxis=axis(title={"text": "% of turns" if len(reports) > 1 else "turns"}),
    )
    return {"data": traces, "layout": whole}


def measured(reports: Sequence[Report]) -> list[str]:
    """The keys of metrics and waits that any file has values of."""
    keys = [m.key for m in (*METRICS, *WAITS)]
    return [k for k in keys if any(k in r.metrics or k in r.waits for r in reports)]


def nice_bins(values: Sequence[float]) -> dict[str, float]:
    """Bins of 1, 2 or 5 times a power of ten, at most about `MOST_BARS` of them."""
    low, high = min(values), max(values)
    wanted = max((high - low) / min(MOST_BARS, 4 * math.sqrt(len(values))), 0.1)
    power = 10 ** math.floor(math.log10(wanted))
    size = next(power * n for n in (1, 2, 5, 10) if power * n >= wanted * (1 - 1e-9))
    start = math.floor(low / size) * size
    # A value at the end of the last bin would not be counted.
    return {"start": start, "end": (math.floor(high / size) + 1) * size, "size": size}


def median_lines(reports: Sequence[Report], key: str) -> list[Figure]:
    """A dotted line at each file's median, for the histograms of one metric."""
    lines = []
    for index, report in enumerate(reports):
        summary = report.metrics.get(key) or report.waits.get(key)
        if summary is not None:
            line = {"color": file_colour(index), "width": 2, "dash": "dot"}
            ends = {"x0": summary.p50, "x1": summary.p50, "y0": 0, "y1": 1}
            lines.append({"type": "line", "yref": "paper", **ends, "line": line})
    return lines


def ledger(reports: Sequence[Report]) -> Figure:
    """A stacked bar per turn, one row of them per file, all on one scale."""
    traces: list[Figure] = []
    axes: Figure = {}
    greatest = max((t.ttfa_ms or 0 for r in reports for t in shown_turns(r)), default=1)
    for row, report in enumerate(reports):
        suffix = "" if row == 0 else str(row + 1)
        traces += _stacks(shown_turns(report), suffix, legend=row == 0)
        # Rows from the top; their titles lie between them.
        gap = 0.12 if len(reports) > 1 else 0
        height = (1 - gap * (len(reports) - 1)) / len(reports)
        bottom = (height + gap) * (len(reports) - 1 - row)
        axes[f"xaxis{suffix}"] = axis(
            anchor=f"y{suffix}",
            type="category",
            # The invisible marks of the totals would get room at both ends.
            range=[-0.6, len(shown_turns(report)) - 0.4],
            showticklabels=False,
            showgrid=False,
            title={"text": _shown(report.file.name), "standoff": 8},
        )
        axes[f"yaxis{suffix}"] = axis(
            anchor=f"x{suffix}",
            domain=[bottom, bottom + height],
            range=[0, greatest * 1.04],
            ticksuffix=" ms",
        )
    whole = layout(
        barmode="stack",
        bargap=0.12,
        hovermode="x unified",
        height=LEDGER_HEIGHT_PX * len(reports) + 60,
        **axes,
    )
    return {"data": traces, "layout": whole}


def shown_turns(report: Report) -> list[Turn]:
    """The last turns that have a ledger, as many as can be drawn."""
    explained = [t for t in report.file.turns if t.ledger is not None]
    return explained[-MOST_TURNS:]


def named_turns(reports: Sequence[Report]) -> Figure:
    """The median and the worst turns of each file, as bars that lie."""
    rows = [
        (_row_name(report, which, several=len(reports) > 1), turn)
        for report in reports
        for which, turn in report.named_turns
    ]
    traces = [
        {
            "type": "bar",
            "orientation": "h",
            "name": wait.label,
            "y": [name for name, _ in rows],
            "x": [(turn.ledger or {})[wait.key] for _, turn in rows],
            "customdata": [_about(turn) for _, turn in rows],
            "marker": {"color": WAIT_COLOURS[wait.key]},
            "hovertemplate": f"<b>{wait.label} %{{x:.1f}} ms</b><br>{wait.meaning}"
            "<br>%{customdata}<extra></extra>",
        }
        for wait in WAITS
    ]
    whole = layout(
        barmode="stack",
        bargap=0.3,
        height=NAMED_ROW_PX * len(rows) + 50,
        showlegend=False,
        xaxis=axis(ticksuffix=" ms"),
        yaxis=axis(autorange="reversed", showgrid=False, automargin=True),
    )
    return {"data": traces, "layout": whole}


def _histogram(report: Report, key: str, *, shares: bool) -> Figure:
    # Files of different lengths can only be compared by shares.
    return {
        "type": "histogram",
        "name": _shown(report.file.name),
        "meta": key,
        "x": report.file.values(key),
        "histnorm": "percent" if shares else "",
        "opacity": 0.72,
        "hovertemplate": "%{x}: %{y:.1f} %<extra>%{fullData.name}</extra>"
        if shares
        else "%{x}: %{y}<extra></extra>",
    }


def _stacks(turns: Sequence[Turn], suffix: str, *, legend: bool) -> list[Figure]:
    place = {"x": _names(turns), "xaxis": f"x{suffix}", "yaxis": f"y{suffix}"}
    bars = [
        {
            "type": "bar",
            "name": wait.label,
            "legendgroup": wait.key,
            "showlegend": legend,
            **place,
            "y": [(turn.ledger or {})[wait.key] for turn in turns],
            "marker": {"color": WAIT_COLOURS[wait.key], "line": {"width": 0}},
            "hovertemplate": "%{y:.1f} ms",
        }
        for wait in WAITS
    ]
    total = {
        "type": "scatter",
        "name": "total TTFA",
        "mode": "markers",
        "showlegend": False,
        **place,
        "y": [turn.ttfa_ms for turn in turns],
        "marker": {"color": "rgba(0, 0, 0, 0)"},
        "customdata": [_shown(turn.outcome) for turn in turns],
        "hovertemplate": "<b>%{y:.1f} ms</b>, %{customdata}",
    }
    return [total, *bars]


def _names(turns: Sequence[Turn]) -> list[str]:
    """A name for each turn: categories of the same name would be one bar."""
    seen: Counter[str] = Counter()
    names = []
    for turn in turns:
        name = _about(turn)
        seen[name] += 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return names


def _about(turn: Turn) -> str:
    """Names come from other people, and plotly's texts may hold links."""
    time = turn.time[11:19] or turn.time
    return _shown(f"turn {turn.number}, {time}, {turn.speaker}")


def _row_name(report: Report, which: str, *, several: bool) -> str:
    name = report.file.name
    short = name if len(name) <= LONGEST_NAME else f"…{name[1 - LONGEST_NAME :]}"
    return _shown(f"{short}: {which} " if several else f"{which} ")


def _shown(text: str) -> str:
    """As plotly's texts want it: they know tags, but no `&quot;`."""
    return html.escape(text, quote=False)
