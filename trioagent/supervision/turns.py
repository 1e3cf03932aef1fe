"""What the turns tell of themselves: an observer of all their events.

It keeps little of a turn, nothing of what was said, and all of it is bounded.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.journal.events import TurnJournal
from trioagent.journal.latency import metrics, stale_ms
from trioagent.supervision.logs import in_one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trioagent.journal.events import Event

LATENCIES = ("total_ttfa_ms", "stale_ms", "asr_ms", "llm_ttft_ms")
SHARES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
TURNS_MEASURED = 200
ERRORS_KEPT = 10
ERROR_CHARS = 200

# What a turn does from an event on.
STAGES = {
    "speech_started": "listening",
    "speech_resumed": "listening",
    "speech_ended": "recognizing",
    "final": "thinking",
    "committed": "thinking",
    "first_frame": "speaking",
    "restored": "speaking",
    "ducked": "ducked",
    "last_frame": "ending",
    "cut_off": "ending",
    "interrupted": "ending",
}
# Events whose `text` is what somebody said.
WORDS = ("partial", "stable", "pause", "final")


@attrs.define(eq=False)
class RunningTurn:
    """A turn without an outcome yet."""

    journal: TurnJournal
    stage: str = "listening"
    stage_since: float = 0.0
    floor_since: float | None = None


@attrs.frozen
class SeenError:
    """Something that went wrong; `turn` is None if it was no turn's."""

    time: float
    turn: int | None
    text: str


@attrs.define(eq=False)
class Turns:
    """An observer: what runs, what became of the rest, and what it took.

    Attributes:
        outcomes: How many turns ended in which way.
        peaks: The most that ever waited in the queues of any turn.
    """

    outcomes: Counter[str] = attrs.Factory(Counter)
    peaks: dict[str, float] = attrs.Factory(dict)
    errors: deque[SeenError] = attrs.Factory(lambda: deque(maxlen=ERRORS_KEPT))
    _running: dict[int, RunningTurn] = attrs.Factory(dict)
    _measured: dict[str, deque[float]] = attrs.Factory(
        lambda: {key: deque(maxlen=TURNS_MEASURED) for key in LATENCIES}
    )

    def __call__(self, journal: TurnJournal, event: Event) -> None:
        """Take an event."""
        now = journal.started + event.t
        turn = self._running.setdefault(journal.number, RunningTurn(journal))
        if event.name in STAGES:
            turn.stage, turn.stage_since = STAGES[event.name], now
        elif event.name == "floor_taken":
            turn.floor_since = now
        elif event.name == "provider_failed":
            self._failed(journal, now, str(event.data.get("error", "")))
        elif event.name == "outcome":
            self._ended(journal, now, event)

    def went_wrong(self, text: str) -> None:
        """Something that belongs to no turn."""
        self.errors.append(SeenError(trio.current_time(), None, shortened(text)))

    def running(self) -> list[dict[str, object]]:
        """Each turn that runs: whose it is, what it does, for how long, in seconds."""
        now = trio.current_time()
        return [
            {
                "turn": number,
                "speaker": turn.journal.speaker,
                "stage": turn.stage,
                "stage_s": round(now - turn.stage_since, 3),
                "age_s": round(now - turn.journal.started, 3),
            }
            for number, turn in self._running.items()
        ]

    def floor(self) -> dict[str, object] | None:
        """Who is being answered, since when; None if nobody is."""
        for turn in reversed(self._running.values()):
            if turn.floor_since is not None:
                return {
                    "speaker": turn.journal.speaker,
                    "turn": turn.journal.number,
                    "since_s": round(trio.current_time() - turn.floor_since, 3),
                    "ducked": turn.stage == "ducked",
                }
        return None

    def latencies(self) -> dict[str, dict[str, float] | None]:
        """Percentiles of the last turns that had such a wait; None if none had."""
        return {key: percentiles(values) for key, values in self._measured.items()}

    def queue_peaks(self) -> dict[str, float]:
        """The most that ever waited, also in the turns that run."""
        peaks = dict(self.peaks)
        for turn in self._running.values():
            _raise(peaks, turn.journal.peaks)
        return peaks

    def last_errors(self) -> list[dict[str, object]]:
        """The newest last, each with its turn and age."""
        now = trio.current_time()
        return [
            {"turn": e.turn, "age_s": round(now - e.time, 1), "error": e.text}
            for e in self.errors
        ]

    def _failed(self, journal: TurnJournal, now: float, error: str) -> None:
        said = {e.data.get("text", "") for e in journal.events if e.name in WORDS}
        # Some servers' errors repeat what they were asked.
        for words in sorted(filter(None, said), key=len, reverse=True):
            error = error.replace(words, "…")
        self.errors.append(SeenError(now, journal.number, shortened(error)))

    def _ended(self, journal: TurnJournal, now: float, outcome: Event) -> None:
        self._running.pop(journal.number, None)
        kind = outcome.data["kind"]
        self.outcomes[kind] += 1
        _raise(self.peaks, journal.peaks)
        told = any(e.turn == journal.number for e in self.errors)
        if kind == "failed" and not told:
            self._failed(journal, now, "the turn failed: the log says why")
        found = {**metrics(journal.events), "stale_ms": stale_ms(journal.events)}
        for key, values in self._measured.items():
            if (value := found[key]) is not None:
                values.append(value)


def percentiles(values: Sequence[float]) -> dict[str, float] | None:
    """The median and others, by linear interpolation, and of how many turns.

    Without numpy, whose first percentile takes 60 ms: it imports for that.
    """
    if not values:
        return None
    ranked = sorted(values)
    found = {name: round(_at(ranked, share), 1) for name, share in SHARES.items()}
    return {"turns": len(ranked), **found}


def _at(ranked: Sequence[float], share: float) -> float:
    below, part = divmod(share * (len(ranked) - 1), 1)
    low, high = ranked[int(below)], ranked[min(int(below) + 1, len(ranked) - 1)]
    return low + part * (high - low)


def shortened(error: str) -> str:
    """An error's first line, which says what happened; the hint is for the log."""
    first = in_one_line(error.split("\n", 1)[0])
    return first if len(first) <= ERROR_CHARS else first[: ERROR_CHARS - 1] + "…"


def _raise(peaks: dict[str, float], others: Mapping[str, float]) -> None:
    for key, value in others.items():
        peaks[key] = max(value, peaks.get(key, 0))
