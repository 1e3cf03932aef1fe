"""A sheet to draw on: one time axis, and rows below each other, in pixels.

Plotly draws the shapes and knows what is under the pointer. Texts are laid over it by
the page itself, which can shorten them, and leave out those for which there is no room.
So plotly, which reads tags in its texts, gets none of anybody's.
"""

from __future__ import annotations

from typing import Any

import attrs

from trioagent.latencies.layout import Figure, axis, layout

LEFT_PX = 104
RIGHT_PX = 18
TOP_PX = 30
"""For the time axis."""
GAP_PX = 7
MARGIN = 0.03
"""How much longer than the recording the time axis is."""
TEXT_PX = 17
"""The height of a line of text."""


@attrs.frozen
class Row:
    """A strip of the sheet, from `top` on."""

    top: float
    height: float

    @property
    def middle(self) -> float:
        """Halfway down."""
        return self.top + self.height / 2

    @property
    def bottom(self) -> float:
        """Where it ends."""
        return self.top + self.height


@attrs.frozen
class Label:
    """A text on the time axis, from `x` on.

    Attributes:
        tops: Where it may stand; the first line with room is taken.
        end: Where it must end; None leaves it out if it has no room.
        weight: Of two that want the same room, the greater one stays.
        key: What it belongs to in the legend.
        look: A class of the page's style.
        stays: It is left out where it cannot stand behind `x`; others go before it.
    """

    x: float
    text: str
    tops: tuple[float, ...]
    end: float | None = None
    weight: int = 0
    key: str = ""
    look: str = ""
    stays: bool = False


@attrs.frozen
class Key:
    """An entry of the legend; it shows and hides what was drawn under its name."""

    key: str
    text: str
    colour: str
    look: str = "box"


@attrs.define(eq=False)
class Sheet:
    """What has been drawn so far."""

    start: float
    end: float
    traces: list[Figure] = attrs.Factory(list)
    labels: list[Label] = attrs.Factory(list)
    names: list[tuple[str, Row, bool]] = attrs.Factory(list)
    """With whether there is a line above."""
    keys: list[Key] = attrs.Factory(list)
    height: float = 4

    @property
    def last(self) -> float:
        """Where the axis ends: what is said of the end needs room."""
        return self.end + MARGIN * (self.end - self.start)

    def row(self, name: str, height: float, *, begins: bool = False) -> Row:
        """A new row below all others; `name` stands left of it.

        With `begins`, something else than above begins here.
        """
        row = Row(self.height, height)
        self.height += height + GAP_PX
        self.names.append((name, row, begins and bool(self.names)))
        return row

    def key(self, key: Key) -> None:
        """Put something into the legend, once."""
        if key not in self.keys:
            self.keys.append(key)

    def bars(
        self,
        row: Row,
        spans: list[tuple[float, float]],
        texts: list[str],
        *,
        key: str,
        **marker: Any,  # noqa: ANN401 - whatever plotly takes
    ) -> None:
        """Draw a bar in `row` for each (start, end); texts are for the pointer.

        The page puts the time of the start before each.
        """
        if not spans:
            return
        self.traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "meta": key,
                "y": [row.middle] * len(spans),
                "width": row.height,
                "base": [_ms(start) for start, _ in spans],
                "x": [_ms(max(0.0, end - start)) for start, end in spans],
                "customdata": texts,
                "hoverinfo": "none",
                "marker": {"line": {"width": 0}, **marker},
            }
        )

    def ticks(
        self,
        row: Row,
        times: list[float],
        texts: list[str],
        *,
        key: str,
        **line: Any,  # noqa: ANN401 - whatever plotly takes
    ) -> None:
        """Draw upright lines through `row`; texts are for the pointer."""
        if not times:
            return
        # All lines are one shape, however many they are. What the pointer finds is
        # apart: as a part of the lines, each text would be there twice.
        x = [_ms(t) for t in times]
        self.traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "meta": key,
                "x": [value for t in x for value in (t, t, None)],
                "y": [row.top, row.bottom, None] * len(x),
                "hoverinfo": "skip",
                "line": {"width": 1, **line},
            }
        )
        self.traces.append(
            {
                "type": "scatter",
                "mode": "none",
                "meta": key,
                "x": x,
                "y": [row.middle] * len(x),
                "customdata": texts,
                "hoverinfo": "none",
            }
        )

    def figure(self) -> Figure:
        """The traces and the layout, for plotly."""
        right = _ms(self.last)
        drawn = layout(
            height=TOP_PX + self.height,
            barmode="overlay",
            dragmode="zoom",
            hovermode="closest",
            hoverdistance=14,
            showlegend=False,
            margin={"l": LEFT_PX, "r": RIGHT_PX, "t": TOP_PX, "b": 0},
            xaxis=axis(
                side="top",
                ticksuffix=" s",
                range=[_ms(self.start), right],
                minallowed=_ms(self.start),
                maxallowed=right,
                nticks=14,
                zeroline=False,
                showspikes=True,
                spikemode="across",
                spikesnap="cursor",
                spikethickness=1,
                spikedash="dot",
                spikecolor="rgba(128, 136, 148, 0.7)",
            ),
            yaxis=axis(visible=False, fixedrange=True, range=[self.height, 0]),
            bargap=0,
        )
        drawn["margin"]["autoexpand"] = False
        return {"data": self.traces, "layout": drawn}


def _ms(seconds: float) -> float:
    """Milliseconds, with one decimal, are fine enough to be drawn."""
    return round(seconds, 4)
