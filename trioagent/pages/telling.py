"""Events in words, for tables and for what is shown under the pointer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from trioagent.recording.format import (
    Happened,
    Joined,
    Left,
    Lost,
    Replied,
    Restored,
    Said,
    StreamFailed,
    StreamOpened,
)

if TYPE_CHECKING:
    from trioagent.pages.stories import Story
    from trioagent.recording.format import Entry
    from trioagent.recording.recording import Recording


# Of a partial transcript, so much is told: all of each would make a page large.
TAIL = 100


@attrs.frozen
class Row:
    """A row of the table of events."""

    t: float
    turn: int | None
    name: str
    details: str
    bad: bool = False


def rows(recording: Recording, names: dict[int, str]) -> list[Row]:
    """What can be told of a recording, in order."""
    made = (_row(entry, names) for entry in recording.entries)
    return [row for row in made if row is not None]


def details(event: str, data: dict[str, Any]) -> str:
    """What an event's data say."""
    match event, data:
        case "speech_started", {"speaker": speaker}:
            return str(speaker)
        case "partial", {"text": text}:
            return quoted(tail(text))
        case "stable" | "pause" | "final", {"text": text}:
            return quoted(text)
        case "draft_started", {"draft": draft, "cause": cause, "text": text}:
            return f"draft {draft}, on {cause}: {quoted(text)}"
        case "phrase", {"draft": draft, "text": text}:
            return f"draft {draft}: {quoted(text)}"
        case (("draft_discarded" | "llm_done"), {"draft": draft, "tokens": tokens}):
            return f"draft {draft}, {number_of(tokens, 'token')}"
        case "speech_ended", {"cause": cause, "last_speech": last}:
            return f"by {cause}; last speech {last:.3f} s into the turn"
        case (("last_frame" | "cut_off"), {"until": until}):
            return f"has sounded {until:.3f} s into the turn"
        case "outcome", {"kind": kind, **rest}:
            return _outcome(kind, rest)
    # As in "by Ana".
    return ", ".join(f"{key} {value}" for key, value in data.items())


def tail(text: str) -> str:
    """The end of a text that grows and grows."""
    return text if len(text) <= TAIL else f"…{text[1 - TAIL :]}"


def quoted(text: object) -> str:
    """In quotation marks, or a hyphen for no text."""
    return f"“{text}”" if text else "-"


def number_of(count: int, noun: str) -> str:
    """As in "2 tokens"."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def title(story: Story) -> str:
    """As in "turn 3, Ana"."""
    return f"turn {story.number}, {story.speaker}"


def _outcome(kind: str, data: dict[str, Any]) -> str:
    told = kind if not data.get("why") else f"{kind} ({data['why']})"
    parts = [f"{key} {quoted(data[key])}" for key in ("said", "heard") if data.get(key)]
    return ", ".join([told, *parts])


def _row(entry: Entry, names: dict[int, str]) -> Row | None:
    match entry:
        case Happened(t=t, turn=turn, event=event, data=data):
            bad = event in ("provider_failed", "underrun")
            return Row(t, turn, event, details(event, data), bad)
        case Joined(t=t, person=person):
            return Row(t, None, "joined", person.name)
        case Left(t=t, speaker=speaker):
            return Row(t, None, "left", names.get(speaker, f"speaker {speaker}"))
        case Lost(t=t, reason=reason):
            return Row(t, None, "link lost", reason, bad=True)
        case Restored(t=t):
            return Row(t, None, "link restored", "")
    return _failure(entry)


def _failure(entry: Entry) -> Row | None:
    """What providers did is not told, unless it went wrong."""
    match entry:
        case StreamOpened(t=t, turn=turn, error=error) if error:
            return Row(t, turn, "no recognizer", error, bad=True)
        case StreamFailed(t=t, how=how, error=error):
            return Row(t, None, f"recognizer {how}", error, bad=True)
        case Replied(t=t, how="failed" | "crashed" as how, error=error):
            return Row(t, None, f"language model {how}", error, bad=True)
        case Said(t=t, how="failed" | "crashed" as how, error=error):
            return Row(t, None, f"synthesizer {how}", error, bad=True)
    return None
