"""What a run of a recording's turns comes to: how long people waited, what went wrong.

Everything is a function of events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from trioagent.journal.latency import counts, metrics
from trioagent.latencies.statistics import Summary, summarize
from trioagent.recording import format as f
from trioagent.replay.again import Again

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trioagent.journal.events import Event
    from trioagent.recording.recording import Recording

# Rounding is no cut-in.
SLIGHT_S = 0.001
# The same turn may open this much earlier or later under other settings.
NEAR_S = 0.5


@attrs.frozen
class TurnEffect:
    """One turn of a run."""

    turn: int
    speaker: str
    outcome: str
    said: str
    heard: str
    ttfa_ms: float | None
    drafts_discarded: int
    tokens_discarded: int
    underruns: int
    cut_in: bool
    """The reply began to sound while its speaker, as recorded, had not finished."""

    @property
    def timed(self) -> bool:
        """Whether its latency means something: a reply sounded, and no excuse."""
        return self.ttfa_ms is not None and self.outcome != "failed"


@attrs.frozen
class Run:
    """A recording's turns under some settings.

    Attributes:
        missed: How many recorded turns that were answered are not any more.
    """

    turns: tuple[TurnEffect, ...]
    missed: int = 0


@attrs.frozen
class Effects:
    """What the turns of several runs come to."""

    turns: int
    outcomes: dict[str, int]
    ttfa: Summary | None
    cut_ins: int
    underruns: int
    drafts_discarded: int
    tokens_discarded: int
    missed: int


def together(runs: Iterable[Run]) -> Effects:
    """All turns of these runs."""
    runs = list(runs)
    turns = [turn for run in runs for turn in run.turns]
    kinds = [turn.outcome for turn in turns]
    return Effects(
        turns=len(turns),
        outcomes={kind: kinds.count(kind) for kind in sorted(set(kinds))},
        ttfa=summarize([t.ttfa_ms for t in turns if t.timed and t.ttfa_ms is not None]),
        cut_ins=sum(turn.cut_in for turn in turns),
        underruns=sum(turn.underruns for turn in turns),
        drafts_discarded=sum(turn.drafts_discarded for turn in turns),
        tokens_discarded=sum(turn.tokens_discarded for turn in turns),
        missed=sum(run.missed for run in runs),
    )


def as_recorded(recording: Recording) -> Run:
    """The turns as they were."""
    return run_of(recording, as_made(recording))


def as_made(recording: Recording) -> Again:
    """The recorded turns, in the form of those of a run."""
    began: dict[int, float] = {}
    for entry in recording.entries:
        if isinstance(entry, f.Happened):
            began.setdefault(entry.turn, entry.t)
    turns = {turn: recording.events(turn) for turn in recording.turns}
    return Again(turns, began)


def run_of(recording: Recording, made: Again) -> Run:
    """What was made of the recording; turns without an outcome are left out."""
    recorded = _spans(as_made(recording))
    over = {n: events for n, events in made.turns.items() if _last(events, "outcome")}
    turns = tuple(
        _effect(n, events, made.began[n], recorded) for n, events in over.items()
    )
    answered = [span for span in recorded if span.first_frame is not None]
    now = [span for span in _spans(made) if span.first_frame is not None]
    missed = sum(not any(span.meets(other) for other in now) for span in answered)
    return Run(turns, missed)


def _effect(
    number: int, events: Sequence[Event], began: float, recorded: Sequence[_Span]
) -> TurnEffect:
    outcome = _data(_last(events, "outcome"))
    counted = counts(events)
    this = _span(events, began)
    return TurnEffect(
        turn=number,
        speaker=this.speaker,
        outcome=outcome["kind"],
        said=outcome.get("said", ""),
        heard=outcome.get("heard", ""),
        ttfa_ms=metrics(events)["total_ttfa_ms"],
        drafts_discarded=counted["drafts_discarded"],
        tokens_discarded=counted["tokens_discarded"],
        underruns=counted["underruns"],
        cut_in=any(span.is_cut_by(this) for span in recorded),
    )


# --- who spoke when --------------------------------------------------------------


@attrs.frozen
class _Span:
    """When a turn's speaker spoke, and when its reply began to sound."""

    speaker: str
    start: float
    end: float
    first_frame: float | None

    def is_cut_by(self, other: _Span) -> bool:
        """Whether the other's reply sounds before its speaker has said this."""
        frame = other.first_frame
        if frame is None or other.speaker != self.speaker:
            return False
        return self.start <= frame < self.end - SLIGHT_S

    def meets(self, other: _Span) -> bool:
        """Whether the other holds some of the same speech."""
        return (
            other.speaker == self.speaker
            and other.start < self.end + NEAR_S
            and other.end > self.start - NEAR_S
        )


def _spans(made: Again) -> list[_Span]:
    return [_span(events, made.began[n]) for n, events in made.turns.items()]


def _span(events: Sequence[Event], began: float) -> _Span:
    ends = [e.data["last_speech"] for e in events if e.name == "speech_ended"]
    frame = _last(events, "first_frame")
    return _Span(
        _data(_last(events, "speech_started")).get("speaker", ""),
        began,
        began + max(ends, default=0.0),
        None if frame is None else began + frame.t,
    )


def _last(events: Sequence[Event], name: str) -> Event | None:
    return next((e for e in reversed(events) if e.name == name), None)


def _data(event: Event | None) -> Mapping[str, Any]:
    return {} if event is None else event.data
