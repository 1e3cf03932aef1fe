"""What all figures have in common; plotly takes them as plain data.

Texts and lines get their colours from the page, which knows whether it is dark.
"""

from __future__ import annotations

from typing import Any

Figure = dict[str, Any]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif"
# Seen on a light and on a dark ground.
FAINT = "rgba(128, 136, 148, 0.22)"


def axis(**changes: Any) -> Figure:  # noqa: ANN401 - whatever plotly takes
    """An axis with faint lines."""
    return {
        "gridcolor": FAINT,
        "zerolinecolor": FAINT,
        "linecolor": FAINT,
        "fixedrange": False,
        **changes,
    }


def layout(**changes: Any) -> Figure:  # noqa: ANN401 - whatever plotly takes
    """A layout on the ground of the page."""
    return {
        "paper_bgcolor": "rgba(0, 0, 0, 0)",
        "plot_bgcolor": "rgba(0, 0, 0, 0)",
        "font": {"family": FONT, "size": 13},
        "margin": {"l": 64, "r": 8, "t": 8, "b": 36},
        "legend": {
            "orientation": "h",
            "x": 0,
            "xanchor": "left",
            "y": 1.01,
            "yanchor": "bottom",
            "font": {"size": 12},
        },
        "hoverlabel": {
            "bgcolor": "#22262E",
            "bordercolor": "#22262E",
            "font": {"color": "#F2F4F7", "family": FONT},
        },
        **changes,
    }
