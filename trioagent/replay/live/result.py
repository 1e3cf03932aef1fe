"""What became of recorded turns live, beside what was recorded."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING, Any

import attrs

from trioagent.journal.latency import metrics
from trioagent.replay.live.transcripts import WordErrors, total, word_errors

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from trioagent.journal.events import Event
    from trioagent.recording.recording import Recording
    from trioagent.replay.again import Again

WAITS = ("total_ttfa_ms", "asr_ms", "llm_ttft_ms", "tts_ttfa_ms")
"""Of `trioagent.journal.latency.metrics`."""


@attrs.frozen
class Went:
    """How a turn went; `waits` are milliseconds or None, by `WAITS`."""

    outcome: str | None
    text: str
    waits: dict[str, float | None]

    @classmethod
    def of(cls, events: Sequence[Event]) -> Went:
        """As its events tell; without any, it was not there."""
        last: Mapping[str, Event] = {event.name: event for event in events}
        outcome = last["outcome"].data["kind"] if "outcome" in last else None
        text = last["final"].data["text"] if "final" in last else ""
        waits = metrics(events)
        return cls(outcome, text, {key: waits[key] for key in WAITS})


@attrs.frozen
class LiveTurn:
    """A turn, then and now."""

    turn: int
    then: Went
    now: Went

    @property
    def failed(self) -> bool:
        """Whether it fails now, and did not then."""
        return self.now.outcome == "failed" and self.then.outcome != "failed"


@attrs.frozen
class LiveResult:
    """A recording, then and now.

    Attributes:
        said: What was really said; None where nobody wrote it down.
        errors: Of the recognizer now, against `said` or the recorded transcript; None
            if it was not asked.
        errors_then: Of the recorded one, against `said`.
        speed: Seconds that the recognizer took for a second of audio; None likewise.
    """

    name: str
    turns: tuple[LiveTurn, ...]
    said: str | None = None
    errors: WordErrors | None = None
    errors_then: WordErrors | None = None
    speed: float | None = None


def result_of(
    recording: Recording, made: Again, said: str | None, *, heard: bool
) -> LiveResult:
    """Compare them; `heard` says whether the recognizer was one of today's."""
    numbers = sorted({*recording.turns, *made.turns})
    turns = tuple(
        LiveTurn(
            number,
            Went.of(recording.events(number) if number in recording.turns else ()),
            Went.of(made.turns.get(number, ())),
        )
        for number in numbers
    )
    then = _joined(turn.then for turn in turns)
    now = _joined(turn.now for turn in turns)
    return LiveResult(
        recording.path.name,
        turns,
        said,
        word_errors(then if said is None else said, now) if heard else None,
        None if said is None else word_errors(said, then),
    )


def _joined(went: Iterable[Went]) -> str:
    return " ".join(filter(None, (one.text for one in went)))


@attrs.frozen
class Summary:
    """All recordings: medians of the waits, and all words."""

    recordings: int
    turns: int
    then: dict[str, float | None]
    now: dict[str, float | None]
    errors: WordErrors | None
    errors_then: WordErrors | None


def summary(results: Sequence[LiveResult]) -> Summary:
    """Medians over the turns that have the wait then and now."""
    turns = [turn for result in results for turn in result.turns]
    both = {
        key: [
            (then, now)
            for turn in turns
            if (then := turn.then.waits[key]) is not None
            and (now := turn.now.waits[key]) is not None
        ]
        for key in WAITS
    }
    return Summary(
        len(results),
        len(turns),
        {key: _median(then for then, _ in pairs) for key, pairs in both.items()},
        {key: _median(now for _, now in pairs) for key, pairs in both.items()},
        total(result.errors for result in results),
        total(result.errors_then for result in results),
    )


def _median(values: Iterable[float]) -> float | None:
    found = list(values)
    return round(median(found), 3) if found else None


# --- as rows ---------------------------------------------------------------------


def rows(result: LiveResult) -> list[dict[str, Any]]:
    """A recording's turns, and then the recording, as JSON objects."""
    of_turns = [
        {
            "recording": result.name,
            "turn": turn.turn,
            "recorded": attrs.asdict(turn.then),
            "live": attrs.asdict(turn.now),
        }
        for turn in result.turns
    ]
    of_all = {
        "recording": result.name,
        "turns": len(result.turns),
        "said": result.said,
        "asr_real_time_factor": result.speed and round(result.speed, 4),
        **word_columns(result.errors, result.errors_then),
    }
    return [*of_turns, of_all]


def summary_row(found: Summary) -> dict[str, Any]:
    """All, as a JSON object."""
    return {
        "recordings": found.recordings,
        "turns": found.turns,
        "recorded": found.then,
        "live": found.now,
        **word_columns(found.errors, found.errors_then),
    }


def word_columns(
    errors: WordErrors | None, errors_then: WordErrors | None
) -> dict[str, Any]:
    """Word errors with their rates; null where they were not counted."""
    return {"live_words": _words(errors), "recorded_words": _words(errors_then)}


def _words(errors: WordErrors | None) -> dict[str, Any] | None:
    if errors is None:
        return None
    rate = errors.rate
    return {"wer": None if rate is None else round(rate, 4), **attrs.asdict(errors)}
