"""One recording as one page. It holds all it needs but `plotly.min.js`, beside it."""

from __future__ import annotations

import json
from html import escape
from importlib.resources import files
from string import Template
from typing import TYPE_CHECKING

import attrs

from trioagent.latencies.definitions import METRICS, WAITS
from trioagent.latencies.palette import WAIT_COLOURS
from trioagent.latencies.template import STYLE
from trioagent.pages import telling
from trioagent.pages.calls import draw_model, draw_recognizer, draw_synthesizer
from trioagent.pages.sheet import LEFT_PX, RIGHT_PX, TOP_PX, Key, Sheet
from trioagent.pages.sounds import speakers, tracks
from trioagent.pages.stories import UNFINISHED, Story
from trioagent.pages.turns import LEAST_NAMED_MS, draw_turns
from trioagent.pages.waves import draw_heard, draw_spoken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.pages.sounds import Tracks
    from trioagent.recording.recording import Recording

# Of the numbers of a turn, these stand at its top.
FACTS = ("asr_ms", "llm_ttft_ms", "tts_ttfa_ms", "draft_lead_ms")
BAD_OUTCOMES = ("failed", "crashed", UNFINISHED)


def render(recording: Recording, turns: Sequence[Story]) -> str:
    """The page; `turns` are `stories(recording)`."""
    laid = tracks(recording)
    sheet = _drawn(recording, laid, turns)
    header = recording.header
    return template("page.html").substitute(
        title=escape(title(turns)),
        style=style(),
        about=escape(_about(recording)),
        warnings="".join(
            f'<p class="warning">{escape(warning)}</p>'
            for warning in recording.warnings
        ),
        turns="\n".join(map(_card, turns)),
        legend=_legend(sheet),
        height=f"{TOP_PX + sheet.height:.0f}",
        rows=_row_names(sheet),
        audio=laid.as_uri(),
        events="".join(map(_event, telling.rows(recording, speakers(recording)))),
        footer=escape(f"Recorded by trioagent {header.program}. {recording.path.name}"),
        drawing=_drawing(sheet),
        script=resource("page.js"),
    )


def title(turns: Sequence[Story]) -> str:
    """What the recording is about, in a few words."""
    names = " and ".join(dict.fromkeys(turn.speaker for turn in turns))
    asked = next((turn.asked for turn in turns if turn.asked), "")
    return f"{names}: {telling.quoted(asked)}" if asked else names or "Recording"


def style() -> str:
    """That of all pages, and what ours have besides."""
    return f"{STYLE}{resource('page.css')}"


def resource(name: str) -> str:
    """A file of this package."""
    return files("trioagent.pages").joinpath(name).read_text(encoding="utf-8")


def template(name: str) -> Template:
    """A page with `$names` to be filled in; what is filled in is not read again."""
    return Template(resource(name))


def pill(story: Story) -> str:
    """How the turn ended, in colour."""
    look = "plain"
    if story.outcome == "answered":
        look = "good"
    elif story.outcome in BAD_OUTCOMES:
        look = "bad"
    return f'<span class="pill {look}">{escape(story.outcome)}</span>'


def waits_bar(story: Story) -> str:
    """Where the time went, as a narrow bar; empty without a ledger."""
    if story.ledger is None:
        return ""
    # The others would be shown as 0 ms.
    parts = "".join(
        f'<i style="flex-grow:{ms:.2f};background:{WAIT_COLOURS[wait.key]}" '
        f'title="{wait.label} {ms:.0f} ms"></i>'
        for wait in WAITS
        if (ms := story.ledger[wait.key]) >= LEAST_NAMED_MS
    )
    return f'<div class="waits">{parts}</div>'


def swatch(key: Key) -> str:
    """The colour of something in the legend."""
    look = f'style="background:{key.colour};border-color:{key.colour}"'
    return f'<i class="swatch {key.look}" {look}></i>{escape(key.text)}'


def when(label: str) -> str:
    """A wall clock's time, to the second."""
    return label[:19].replace("T", " ")


def _drawn(recording: Recording, laid: Tracks, turns: Sequence[Story]) -> Sheet:
    """From what was heard down to what was spoken."""
    sheet = Sheet(laid.start, laid.end)
    draw_heard(sheet, recording, laid)
    draw_recognizer(sheet, recording)
    draw_turns(sheet, turns)
    draw_model(sheet, recording)
    draw_synthesizer(sheet, recording)
    draw_spoken(sheet, recording, laid, turns)
    return sheet


def _about(recording: Recording) -> str:
    header = recording.header
    agent = f"recorded by {header.agent}"
    used = ", ".join(f"{kind} {name}" for kind, name in header.providers.items())
    return " · ".join([when(header.label), f"{recording.length_s:.2f} s", agent, used])


def _card(story: Story) -> str:
    heading = f"Turn {story.number}: {story.speaker}"
    when = f'data-start="{story.start:.3f}" data-end="{story.end:.3f}"'
    why = f" {escape(story.why)}" if story.why else ""
    told = [("said", escape(telling.quoted(story.asked)))]
    if story.reply:
        told.append(("answered", _answer(story)))
    return (
        f'<section class="turn" id="turn-{story.number}" data-turn="{story.number}" '
        f'{when}><div class="bar"><h2><a href="#turn-{story.number}">'
        f"{escape(heading)}</a></h2>"
        f"<span>{pill(story)}{why}</span></div>"
        f"<dl>{''.join(f'<dt>{a}</dt><dd>{b}</dd>' for a, b in told)}</dl>"
        f'<div class="facts">{_facts(story)}</div>{waits_bar(story)}</section>'
    )


def _answer(story: Story) -> str:
    """What nobody heard of it is struck out."""
    reply, heard = story.reply, story.heard
    if reply.startswith(heard) and reply != heard:
        return f"“{escape(heard)}<s>{escape(reply[len(heard) :])}</s>”"
    return escape(telling.quoted(reply))


def _facts(story: Story) -> str:
    labels = {m.key: m for m in METRICS}
    total = story.metrics["total_ttfa_ms"]
    shown = [("total TTFA", total, labels["total_ttfa_ms"].meaning, ' class="lead"')]
    shown += [
        (labels[key].label, story.metrics[key], labels[key].meaning, "")
        for key in FACTS
    ]
    made = "".join(
        f'<div{look} title="{escape(meaning)}"><b>{round(ms)} ms</b>'
        f"<span>{label}</span></div>"
        for label, ms, meaning, look in shown
        if ms is not None
    )
    return f"{made}<div><b>{drafts(story)}</b><span>drafts</span></div>"


def drafts(story: Story) -> str:
    """How many there were, and how many were thrown away."""
    made, gone = story.counts["drafts"], story.counts["drafts_discarded"]
    return f"{made} ({gone} discarded)" if gone else f"{made}"


def _legend(sheet: Sheet) -> str:
    """Waits come last, in their causal order."""
    others = [key for key in sheet.keys if key.key not in WAIT_COLOURS]
    found = {key.key: key for key in sheet.keys}
    waits = [found[key] for key in WAIT_COLOURS if key in found]
    between = "<b>waited for:</b>" if waits else ""
    made = map(_legend_button, others), map(_legend_button, waits)
    return between.join("".join(part) for part in made)


def _legend_button(key: Key) -> str:
    return (
        f'<button type="button" data-key="{key.key}" aria-pressed="true">'
        f"{swatch(key)}</button>"
    )


def _row_names(sheet: Sheet) -> str:
    made = []
    for name, row, begins in sheet.names:
        lines = "".join(f"<span>{escape(line)}</span>" for line in name.split("\n"))
        place = f"top:{TOP_PX + row.top:.0f}px;height:{row.height:.0f}px"
        made.append(f'<div style="{place}" title="{escape(name)}">{lines}</div>')
        if begins:
            made.append(f'<i style="top:{TOP_PX + row.top - 4:.0f}px"></i>')
    return "".join(made)


def _event(row: telling.Row) -> str:
    look = "partial " if row.name == "partial" else ""
    look += "bad" if row.bad else ""
    turn = "" if row.turn is None else str(row.turn)
    return (
        f'<tr tabindex="0" data-t="{row.t:.6f}" data-event="{escape(row.name)}" '
        f'class="{look}"><td>{row.t:.3f}</td><td>{turn}</td>'
        f'<td class="name">{escape(row.name.replace("_", " "))}</td>'
        f'<td class="text">{escape(row.details)}</td></tr>\n'
    )


def _drawing(sheet: Sheet) -> str:
    """All that the script needs, so that no text in it can end the script."""
    labels = [attrs.asdict(label) for label in sheet.labels]
    for label in labels:
        label["tops"] = [TOP_PX + top for top in label["tops"]]
    made = {
        "start": sheet.start,
        "end": sheet.end,
        "margins": [LEFT_PX, RIGHT_PX],
        "figure": sheet.figure(),
        "labels": labels,
    }
    dense = json.dumps(made, ensure_ascii=False, separators=(",", ":"))
    return dense.replace("<", "\\u003c")
