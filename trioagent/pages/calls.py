"""Draws what providers were asked, and gave: how long it took, and piece by piece."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.interfaces import HEARING_RATE_HZ
from trioagent.pages import colours
from trioagent.pages.sheet import Key, Label, Sheet
from trioagent.pages.stories import packed
from trioagent.pages.telling import number_of, quoted, tail
from trioagent.recording.format import (
    Asked,
    Fed,
    Finished,
    Replied,
    Said,
    Sound,
    StreamFailed,
    Token,
    ToSay,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.recording.recording import Recording

CALLS_PX = 16
PIECES_PX = 20
TEXT_OFFSET_PX = 1.5


def draw_recognizer(sheet: Sheet, recording: Recording) -> None:
    """A bar for each call, as long as it took."""
    calls = [e for e in recording.entries if isinstance(e, Fed | Finished)]
    failed = [e for e in recording.entries if isinstance(e, StreamFailed)]
    if not calls and not failed:
        return
    row = sheet.row("recognizer", CALLS_PX)
    sheet.key(Key("recognizer", "recognizer call", colours.RECOGNIZER))
    known: dict[int, str] = {}
    texts = []
    for call in calls:
        # The same text again and again would make the page large.
        new = call.text != known.get(call.stream, "")
        known[call.stream] = call.text
        texts.append(_call(call) + (f": {quoted(tail(call.text))}" if new else ""))
    # A line around it, or a short one could not be seen.
    spans = [(call.asked, call.t) for call in calls]
    edge = {"width": 0.7, "color": colours.RECOGNIZER}
    look = {"color": colours.RECOGNIZER, "line": edge}
    sheet.bars(row, spans, texts, key="recognizer", **look)
    edge = {"width": 1.5, "color": colours.BAD}
    look = {"color": colours.BAD, "line": edge}
    texts = [f"{call.how}: {call.error}" for call in failed]
    spans = [(call.asked, call.t) for call in failed]
    sheet.bars(row, spans, texts, key="recognizer", **look)


def draw_model(sheet: Sheet, recording: Recording) -> None:
    """A bar for each request, with its tokens as ticks."""
    requests = [
        _request(recording, e) for e in recording.entries if isinstance(e, Asked)
    ]
    _draw(sheet, "LLM", requests, colours.MODEL)


def draw_synthesizer(sheet: Sheet, recording: Recording) -> None:
    """A bar for each phrase, with the pieces of its audio as ticks."""
    phrases = [_phrase(recording, e) for e in recording.entries if isinstance(e, ToSay)]
    _draw(sheet, "synthesizer", phrases, colours.SYNTHESIZER)


@attrs.frozen
class _Work:
    """What a provider did when it was asked for something."""

    start: float
    end: float
    told: str
    result: str
    pieces: tuple[tuple[float, str], ...]
    """When each came, and what it was."""


def _request(recording: Recording, asked: Asked) -> _Work:
    entries = recording.entries
    number = asked.request
    tokens = [e for e in entries if isinstance(e, Token) and e.request == number]
    over = [e for e in entries if isinstance(e, Replied) and e.request == number]
    end = max([asked.t, *(e.t for e in tokens), *(e.t for e in over)])
    told = f"asked {quoted(asked.said)}; {number_of(len(tokens), 'token')}"
    told += f" in {1000 * (end - asked.t):.0f} ms{_failure(over)}"
    pieces = tuple((t.t, f"token {quoted(t.text.strip())}") for t in tokens)
    return _Work(asked.t, end, told, "".join(t.text for t in tokens), pieces)


def _phrase(recording: Recording, phrase: ToSay) -> _Work:
    entries, rate_hz = recording.entries, recording.header.synthesizer_rate_hz
    number = phrase.phrase
    sounds = [e for e in entries if isinstance(e, Sound) and e.phrase == number]
    over = [e for e in entries if isinstance(e, Said) and e.phrase == number]
    end = max([phrase.t, *(e.t for e in sounds), *(e.t for e in over)])
    length_ms = 1000 * sum(s.samples for s in sounds) / rate_hz
    told = f"{quoted(phrase.text)}: {length_ms:.0f} ms of audio"
    told += f" in {1000 * (end - phrase.t):.0f} ms{_failure(over)}"
    pieces = tuple((s.t, f"{1000 * s.samples / rate_hz:.0f} ms") for s in sounds)
    return _Work(phrase.t, end, told, phrase.text, pieces)


def _draw(sheet: Sheet, name: str, works: list[_Work], colour: str) -> None:
    """What overlaps has rows of its own."""
    for index, lane in enumerate(packed(works, lambda work: (work.start, work.end))):
        row = sheet.row(
            "" if index else name, PIECES_PX, begins=name == "LLM" and not index
        )
        nexts = [*(work.start for work in lane[1:]), sheet.last]
        for work, until in zip(lane, nexts, strict=True):
            look = {"width": 1, "color": colour}
            sheet.bars(
                row,
                [(work.start, work.end)],
                [work.told],
                key="calls",
                color=colours.pale(colour, 0.3),
                line=look,
            )
            texts = [f"{t:.3f} s: {piece}" for t, piece in work.pieces]
            times = [t for t, _ in work.pieces]
            sheet.ticks(row, times, texts, key="calls", color=colour, width=1.3)
            at = (row.top + TEXT_OFFSET_PX,)
            sheet.labels.append(
                Label(work.end, work.result, at, until, key="calls", look="short")
            )


def _call(call: Fed | Finished) -> str:
    took_ms = 1000 * (call.t - call.asked)
    if isinstance(call, Finished):
        return f"finish, {took_ms:.1f} ms"
    fed_ms = 1000 * call.samples / HEARING_RATE_HZ
    return f"{fed_ms:.0f} ms of speech in {took_ms:.1f} ms"


def _failure(over: Sequence[Replied | Said]) -> str:
    if not over:
        return ", cancelled"
    last = over[-1]
    return "" if last.how == "done" else f", {last.how}: {last.error}"
