"""Plots what `bench.drafts` measured.

    python -m bench.drafts --json > drafts.jsonl
    python -m bench.drafts_plot drafts.jsonl docs/screenshots/drafts.png

Time to first audio against the tokens that were thrown away, a line for each limit on
drafts, a point for each `prefix_min_chars`. It needs Chromium, as the pages' tests do.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import plotly.graph_objects as go

from tests.browser import open_browser

if TYPE_CHECKING:
    from bench.printing import Row

WIDTH, HEIGHT = 900, 520


def figure(rows: list[Row]) -> go.Figure:
    """A line per limit."""
    shown = go.Figure()
    for limit in dict.fromkeys(row["max_drafts"] for row in rows):
        some = [row for row in rows if row["max_drafts"] == limit]
        shown.add_scatter(
            x=[row["tokens_discarded_per_turn"] for row in some],
            y=[row["ttfa_ms"]["p50"] for row in some],
            text=[f" {row['prefix_min_chars']}" for row in some],
            mode="lines+markers+text",
            textposition="top right",
            name=f"max_drafts = {limit}",
        )
    shown.update_layout(
        title="What eager drafts cost and gain; numbers are prefix_min_chars",
        xaxis_title="tokens thrown away per turn",
        yaxis_title="time to first audio, median, ms",
        template="plotly_white",
        width=WIDTH,
        height=HEIGHT,
    )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", type=Path)
    parser.add_argument("png", type=Path)
    args = parser.parse_args()
    lines = args.rows.read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if "ttfa_ms" in row]
    with tempfile.TemporaryDirectory() as folder, open_browser() as browser:
        page = Path(folder) / "drafts.html"
        figure(rows).write_html(page, config={"displayModeBar": False})
        browser.open(page)
        browser.one(".svg-container").screenshot(str(args.png))


if __name__ == "__main__":
    main()
