"""Draws turns: the words as they came, the moments, what was waited for, the drafts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.latencies.definitions import WAITS
from trioagent.latencies.palette import WAIT_COLOURS
from trioagent.pages import colours
from trioagent.pages.sheet import TEXT_PX, Key, Label, Row, Sheet
from trioagent.pages.stories import lanes
from trioagent.pages.telling import details, number_of, quoted, title

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.pages.stories import Draft, Story
    from trioagent.recording.format import Happened

# What rounds to 0.0 ms is not drawn, and what rounds to 0 ms not in the legend.
LEAST_DRAWN_MS = 0.05
LEAST_NAMED_MS = 0.5
DRAFT_PX = 20
WAIT_PX = 20
WORDS_PX = 2 * TEXT_PX


@attrs.frozen
class _Look:
    """Of a moment."""

    text: str
    colour: str = colours.TURN
    weight: int = 1


MOMENTS = {
    "speech_started": _Look("speech", colours.HEARD, 3),
    "speech_resumed": _Look("speech resumed", colours.HEARD, 4),
    "pause": _Look("pause", colours.WARNING, 4),
    "stable": _Look("stable", colours.RECOGNIZER, 2),
    "speech_ended": _Look("end of turn", colours.HEARD, 5),
    "final": _Look("final", colours.RECOGNIZER, 4),
    "llm_first_token": _Look("first token", colours.MODEL),
    "tts_first_audio": _Look("first synthesized", colours.SYNTHESIZER),
    "buffered": _Look("buffered", colours.SYNTHESIZER),
    "committed": _Look("committed", colours.MODEL, 3),
    "floor_taken": _Look("floor taken", colours.SPOKEN, 2),
    "first_frame": _Look("first audio", colours.SPOKEN, 9),
    "last_frame": _Look("last audio", colours.SPOKEN, 5),
    "ducked": _Look("ducked", colours.WARNING, 6),
    "restored": _Look("restored", colours.GOOD, 6),
    "underrun": _Look("underrun", colours.BAD, 7),
    "interrupted": _Look("interrupted", colours.BAD, 8),
    "cut_off": _Look("cut off", colours.BAD, 3),
    "provider_failed": _Look("provider failed", colours.BAD, 8),
    "outcome": _Look("outcome", colours.TURN, 5),
}


def draw_turns(sheet: Sheet, turns: Sequence[Story]) -> None:
    """Lanes of turns: those that overlap lie below each other."""
    for lane in lanes(turns):
        names = row_name(lane)
        words = sheet.row(f"{names}\nwords", WORDS_PX, begins=True)
        moments = sheet.row("moments", 2 * TEXT_PX)
        for story in lane:
            _words(sheet, words, story)
            _moments(sheet, moments, story)
        if any(story.ledger for story in lane):
            row = sheet.row("waited for", WAIT_PX)
            for story in lane:
                _waits(sheet, row, story)
        if any(story.drafts for story in lane):
            row = sheet.row("drafts", DRAFT_PX)
            for story in lane:
                _drafts(sheet, row, story)


def row_name(lane: Sequence[Story]) -> str:
    """Whose turns these are."""
    numbers = [story.number for story in lane]
    return f"turn {numbers[0]}" if len(numbers) == 1 else f"turns {_list(numbers)}"


def _list(numbers: Sequence[int]) -> str:
    if len(numbers) > 3:
        return f"{numbers[0]}…{numbers[-1]}"
    return ", ".join(map(str, numbers))


def _words(sheet: Sheet, row: Row, story: Story) -> None:
    """The text grows: each time, what is new stands where it came."""
    lines = (row.top, row.top + TEXT_PX)
    before = ""
    for event in story.events:
        if event.event not in ("partial", "final"):
            continue
        text = str(event.data["text"])
        final = event.event == "final"
        new = text if final else _added(before, text)
        look = "final" if final else "word"
        if not final and not text.startswith(before):
            look = "revised"
        if new:
            weight = 9 if final else 1
            sheet.labels.append(
                Label(event.t, new, lines, weight=weight, key="words", look=look)
            )
        before = text
    for name, colour in (("partial", colours.HEARD), ("final", colours.RECOGNIZER)):
        found = [e for e in story.events if e.event == name]
        texts = [_told(story, e) for e in found]
        times = [e.t for e in found]
        sheet.ticks(row, times, texts, key="words", color=colour)


def _added(before: str, text: str) -> str:
    """From the first word on that was not there before."""
    old, new = before.split(), text.split()
    same = 0
    for a, b in zip(old, new, strict=False):
        if a != b:
            break
        same += 1
    return " ".join(new[same:])


def _moments(sheet: Sheet, row: Row, story: Story) -> None:
    lines = (row.top, row.top + TEXT_PX)
    by_look: dict[_Look, list[Happened]] = {}
    for event in story.events:
        if look := MOMENTS.get(event.event):
            by_look.setdefault(look, []).append(event)
            text = look.text
            if event.event == "outcome":
                text = f"outcome: {story.outcome}"
            sheet.labels.append(
                Label(
                    event.t, text, lines, weight=look.weight, key="moments", look="mark"
                )
            )
    for look, events in by_look.items():
        texts = [_told(story, event) for event in events]
        times = [event.t for event in events]
        sheet.ticks(row, times, texts, key="moments", color=look.colour, width=1.5)


def _told(story: Story, event: Happened) -> str:
    told = details(event.event, event.data)
    name = event.event.replace("_", " ")
    return f"{event.t:.3f} s, {title(story)}: {name} {told}"


def _waits(sheet: Sheet, row: Row, story: Story) -> None:
    """From the end of speech to the first audio, in causal order."""
    start = story.last_speech
    if story.ledger is None or start is None:
        return
    for wait in WAITS:
        ms = story.ledger[wait.key]
        if ms < LEAST_DRAWN_MS:
            continue
        colour = WAIT_COLOURS[wait.key]
        if ms >= LEAST_NAMED_MS:
            sheet.key(Key(wait.key, wait.label, colour))
        end = start + ms / 1000
        text = f"{wait.label} {ms:.1f} ms: {wait.meaning} ({title(story)})"
        sheet.bars(row, [(start, end)], [text], key=wait.key, color=colour)
        sheet.labels.append(
            Label(
                start,
                f"{wait.label} {ms:.0f} ms",
                (row.top + (WAIT_PX - TEXT_PX) / 2,),
                end,
                key=wait.key,
                look="on-colour",
            )
        )
        start = end
    whole = f"{sum(story.ledger.values()):.0f} ms"
    sheet.labels.append(Label(start, whole, (row.top + 1,), look="total", stays=True))


def _drafts(sheet: Sheet, row: Row, story: Story) -> None:
    for draft in story.drafts:
        told = f"draft {draft.number}, on {draft.cause}: {quoted(draft.text)}"
        key = _draft_bars(sheet, row, story, draft)
        sheet.labels.append(
            Label(
                draft.start,
                f"{draft.number} {draft.cause}: {draft.text}",
                (row.top + (DRAFT_PX - TEXT_PX) / 2,),
                draft.end,
                key=key,
                look="on-bar discarded" if draft.discarded else "on-bar",
            )
        )
        sheet.ticks(row, [draft.start], [told], key=key, color=colours.MODEL, width=2)


def _draft_bars(sheet: Sheet, row: Row, story: Story, draft: Draft) -> str:
    """Pale as long as nobody knows whether it will be used; its key in the legend."""
    told = f"{title(story)}, draft {draft.number} on {draft.cause}"
    of = quoted(draft.text)
    if draft.discarded:
        key = Key("discarded", "discarded draft", colours.DISCARDED, "hatched")
        sheet.key(key)
        told += f", discarded with {number_of(draft.tokens, 'token')}: {of}"
        sheet.bars(
            row,
            [(draft.start, draft.end)],
            [told],
            key=key.key,
            color=colours.pale(colours.DISCARDED, 0.12),
            pattern={
                "shape": "/",
                "size": 7,
                "solidity": 0.18,
                "fgcolor": colours.DISCARDED,
            },
        )
        return key.key
    key = Key("draft", "draft, until it is committed", colours.MODEL, "pale")
    sheet.key(key)
    until = draft.end if draft.committed is None else draft.committed
    told += f", begun {1000 * (until - draft.start):.0f} ms before it was committed"
    sheet.bars(
        row,
        [(draft.start, until)],
        [f"{told}: {of}"],
        key=key.key,
        color=colours.pale(colours.MODEL, 0.2),
    )
    if draft.committed is not None:
        spoken = Key("committed", "reply", colours.MODEL)
        sheet.key(spoken)
        sheet.bars(
            row,
            [(draft.committed, draft.end)],
            [f"{told}: {of}"],
            key=spoken.key,
            color=colours.pale(colours.MODEL, 0.5),
        )
    return key.key
