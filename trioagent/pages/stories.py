"""What happened in the turns of a recording, as a page tells it.

All times are seconds on the recording's time axis.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import attrs

from trioagent.journal.latency import Metrics, counts, metrics
from trioagent.journal.ledger import ledger
from trioagent.recording.format import Happened

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trioagent.recording.recording import Recording

T = TypeVar("T")

UNFINISHED = "unfinished"
"""Instead of an outcome, where the recording was cut off before it."""


@attrs.frozen
class Draft:
    """A reply that was begun, and what became of it."""

    number: int
    cause: str
    text: str
    """What it answers."""
    start: float
    end: float
    committed: float | None = None
    discarded: bool = False
    tokens: int = 0
    """How many were thrown away with it."""


@attrs.frozen
class Story:
    """A turn."""

    number: int
    speaker: str
    start: float
    end: float
    events: tuple[Happened, ...]
    """As they are in the recording."""
    drafts: tuple[Draft, ...]
    outcome: str
    why: str
    asked: str
    """What its speaker said, as far as it was understood."""
    reply: str
    """What the agent was to say to that."""
    heard: str
    """As much of it as was heard."""
    metrics: Metrics
    counts: dict[str, int]
    ledger: dict[str, float] | None

    @property
    def last_speech(self) -> float | None:
        """When its speaker was heard last, if the turn came to its end."""
        since = self._last("speech_ended", "last_speech")
        return None if since is None else self.start + since

    @property
    def last_audio(self) -> float | None:
        """When the last of the reply had sounded."""
        since = self._last("last_frame", "until")
        since = self._last("cut_off", "until") if since is None else since
        return None if since is None else self.start + since

    def first(self, name: str) -> Happened | None:
        """The first event of this name."""
        return next((e for e in self.events if e.event == name), None)

    def _last(self, name: str, key: str) -> float | None:
        found = [e.data[key] for e in self.events if e.event == name]
        return float(found[-1]) if found else None


def stories(recording: Recording) -> tuple[Story, ...]:
    """Of each turn, in the order in which they began."""
    return tuple(_story(recording, turn) for turn in recording.turns)


def _story(recording: Recording, turn: int) -> Story:
    happened = tuple(
        e for e in recording.entries if isinstance(e, Happened) and e.turn == turn
    )
    events = recording.events(turn)
    last = happened[-1]
    outcome = last.data if last.event == "outcome" else {"kind": UNFINISHED}
    end = last.t if last.event == "outcome" else max(last.t, recording.length_s)
    told = [str(e.data["text"]) for e in happened if e.event in ("partial", "final")]
    told += [str(outcome["said"])] if outcome.get("said") else []
    story = Story(
        turn,
        str(happened[0].data.get("speaker", "")),
        happened[0].t,
        end,
        happened,
        (),
        str(outcome["kind"]),
        str(outcome.get("why") or ""),
        told[-1] if told else "",
        _reply(happened),
        str(outcome.get("heard") or ""),
        metrics(events),
        counts(events),
        ledger(events),
    )
    return attrs.evolve(story, drafts=_drafts(story))


def _reply(events: Sequence[Happened]) -> str:
    """The phrases of the draft that sounded."""
    frames = (e.data["draft"] for e in events if e.event == "first_frame")
    draft = next(frames, None)
    phrases = [e for e in events if e.event == "phrase" and e.data["draft"] == draft]
    return " ".join(str(e.data["text"]) for e in phrases)


def _drafts(story: Story) -> tuple[Draft, ...]:
    found: dict[int, Draft] = {}
    for event in story.events:
        number = event.data.get("draft")
        if event.event == "draft_started":
            data = event.data
            found[data["draft"]] = Draft(
                data["draft"], data["cause"], data["text"], event.t, story.end
            )
        elif event.event == "draft_discarded" and number in found:
            found[number] = attrs.evolve(
                found[number],
                end=event.t,
                discarded=True,
                tokens=event.data.get("tokens", 0),
            )
        elif event.event == "committed" and number in found:
            found[number] = attrs.evolve(
                found[number], committed=event.t, end=story.last_audio or story.end
            )
    return tuple(found.values())


def lanes(turns: Sequence[Story]) -> list[list[Story]]:
    """Turns that do not overlap share a lane."""
    return packed(turns, lambda turn: (turn.start, turn.end))


def packed(
    items: Sequence[T], span: Callable[[T], tuple[float, float]]
) -> list[list[T]]:
    """Items, by (start, end) and sorted by their starts, in as few rows as need be."""
    rows: list[list[T]] = []
    for item in items:
        start, _ = span(item)
        free = next((row for row in rows if span(row[-1])[1] <= start), None)
        if free is None:
            rows.append([item])
        else:
            free.append(item)
    return rows
