"""The list of the pages: a row for each turn."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

from trioagent.latencies.definitions import WAITS
from trioagent.latencies.palette import WAIT_COLOURS
from trioagent.pages.page import drafts, pill, resource, style, swatch, template, when
from trioagent.pages.page import waits_bar as bar_of
from trioagent.pages.sheet import Key
from trioagent.pages.telling import number_of, quoted
from trioagent.pages.turns import LEAST_NAMED_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.pages.stories import Story

Row = tuple[str, str, "Story"]
"""The page's file, the wall clock at its beginning, and one of its turns."""


def render(rows: Sequence[Row]) -> str:
    """The page that lists the others."""
    slowest = max((_ttfa(turn) or 0 for _, _, turn in rows), default=0)
    pages = len({page for page, _, _ in rows})
    waits = [
        Key(w.key, w.label, WAIT_COLOURS[w.key]) for w in WAITS if _has(rows, w.key)
    ]
    about = f"{number_of(len(rows), 'turn')} in {number_of(pages, 'recording')}"
    return template("index.html").substitute(
        style=style(),
        about=about,
        legend="".join(f"<span>{swatch(key)}</span>" for key in waits),
        turns="\n".join(_row(row, slowest) for row in rows),
        footer="TTFA: from the end of speech to the first audio of the reply.",
        script=resource("index.js"),
    )


def _row(row: Row, slowest: float) -> str:
    page, label, turn = row
    ttfa = _ttfa(turn)
    where, shown = "", ""
    if ttfa is not None:
        shown = f"{ttfa:.0f} ms"
        width = 100 * ttfa / slowest if slowest else 0
        where = f'<div style="width:{width:.1f}%">{bar_of(turn)}</div>'
    reply = f"<div>{escape(quoted(turn.heard))}</div>" if turn.heard else ""
    link = f"./{quote(page)}#turn-{turn.number}"
    return (
        f'<tr><td class="when"><a href="{link}">{escape(when(label))}</a></td>'
        f'<td class="who">{escape(turn.speaker)}</td>'
        f'<td class="said"><div>{escape(quoted(turn.asked))}</div>{reply}</td>'
        f'<td class="text">{pill(turn)}</td><td>{shown}</td>'
        f'<td class="where">{where}</td><td>{escape(drafts(turn))}</td></tr>'
    )


def _ttfa(turn: Story) -> float | None:
    return turn.metrics["total_ttfa_ms"]


def _has(rows: Sequence[Row], wait: str) -> bool:
    return any(
        turn.ledger and turn.ledger[wait] >= LEAST_NAMED_MS for _, _, turn in rows
    )
