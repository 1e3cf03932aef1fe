"""What happened then against what happened now, event by event."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs

from trioagent.interfaces import FRAME_S
from trioagent.journal.events import Event
from trioagent.recording import format as f

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.recording.recording import Recording
    from trioagent.replay.again import Again

# How far apart in time the same event may be: what the agent computed between two
# instants took time then, and takes none now.
TOLERANCE_S = FRAME_S
CONTEXT = 4

_PLAYING = frozenset(
    "floor_taken first_frame ducked restored underrun last_frame cut_off".split()
)
_MAKING = frozenset(
    "llm_first_token llm_done phrase tts_first_audio buffered provider_failed".split()
)

_Found = tuple[str, Event | None, Event | None]
"""What is different, the recorded event, the one made now."""


@attrs.frozen
class Difference:
    """The first thing that was not the same."""

    what: str
    recorded: Event | None
    now: Event | None
    before: tuple[Event, ...] = ()
    """The last events that were the same."""


@attrs.frozen
class TurnResult:
    """A turn, compared."""

    turn: int
    speaker: str
    events: int
    difference: Difference | None
    furthest_s: float
    """The most that an event was earlier or later than recorded."""

    @property
    def identical(self) -> bool:
        """Whether it went as it did."""
        return self.difference is None


def compare(
    recording: Recording, again: Again, tolerance_s: float = TOLERANCE_S
) -> list[TurnResult]:
    """Each turn: the same events, in the same order, with the same data.

    Times may differ by `tolerance_s`, and the order of what different tasks did within
    that time. A recording that was cut off is compared as far as it goes, but for its
    last moment, whose causes may not have been written any more.
    """
    results = []
    last = recording.turns[-1:]
    new = again.turns if recording.complete else ()
    turns = dict.fromkeys((*recording.turns, *new))
    comparison = _Comparison(recording.complete, tolerance_s)
    frames = _frames(recording, again, tolerance_s)
    for turn in turns:
        then = recording.events(turn)
        now = _on_the_same_clock(recording, again, turn)
        known = _known(recording, turn, tolerance_s)
        difference = _first_difference(then[:known], now, comparison)
        if difference is None and frames and (turn,) == last:
            difference = Difference(frames, None, None, tuple(then[-CONTEXT:]))
        pairs = zip(then, now, strict=False)
        furthest_s = max((abs(a.t - b.t) for a, b in pairs), default=0.0)
        speaker = str((then or now)[0].data.get("speaker", ""))
        results.append(TurnResult(turn, speaker, len(then), difference, furthest_s))
    return results


def _on_the_same_clock(recording: Recording, again: Again, turn: int) -> list[Event]:
    """A turn's events; times count from when the turn began then."""
    entries = (e for e in recording.entries if isinstance(e, f.Happened))
    began = next((e.t for e in entries if e.turn == turn), None)
    events = again.turns.get(turn, [])
    if began is None or not events:
        return events
    late_s = again.began[turn] - began
    return [attrs.evolve(event, t=event.t + late_s) for event in events]


def _known(recording: Recording, turn: int, tolerance_s: float) -> int:
    """How many events of a turn have to happen again."""
    until = math.inf if recording.complete else recording.length_s - tolerance_s
    events = (e for e in recording.entries if isinstance(e, f.Happened))
    return sum(event.turn == turn and event.t < until for event in events)


def _first_difference(
    then: Sequence[Event], now: Sequence[Event], comparison: _Comparison
) -> Difference | None:
    found = []
    for lane in dict.fromkeys(map(_lane, (*then, *now))):
        recorded = [event for event in then if _lane(event) == lane]
        made = [event for event in now if _lane(event) == lane]
        if difference := comparison.first(recorded, made):
            found.append(difference)
    if not found:
        return None
    what, recorded_one, made_one = min(found, key=_when)
    known = recorded_one or made_one
    before = [e for e in then if e is not recorded_one and known and e.t <= known.t]
    return Difference(what, recorded_one, made_one, tuple(before[-CONTEXT:]))


@attrs.frozen
class _Comparison:
    complete: bool
    tolerance_s: float

    def first(self, then: Sequence[Event], now: Sequence[Event]) -> _Found | None:
        """The first difference in one lane."""
        for recorded, made in zip(then, now, strict=False):
            if what := self.differs(recorded, made):
                return what, recorded, made
        if len(then) > len(now):
            return "it did not happen", then[len(now)], None
        if self.complete and len(now) > len(then):
            return "more happened", None, now[len(then)]
        return None

    def differs(self, then: Event, now: Event) -> str:
        if then.name != now.name:
            return "another event"
        for key in (*then.data, *(k for k in now.data if k not in then.data)):
            if not self.same(then.data.get(key), now.data.get(key)):
                return f"another {key}"
        if abs(then.t - now.t) > self.tolerance_s:
            later = "later" if now.t > then.t else "earlier"
            return f"{abs(then.t - now.t) * 1000:.0f} ms {later}"
        return ""

    def same(self, then: Any, now: Any) -> bool:  # noqa: ANN401 - any JSON value
        if isinstance(then, float) and isinstance(now, int | float):
            # All fractions in the events are times.
            return abs(then - now) <= self.tolerance_s
        return bool(then == now)


def _when(found: _Found) -> float:
    _, recorded, made = found
    event = recorded or made
    return event.t if event else math.inf


def _lane(event: Event) -> str:
    """What happens one after the other: listening, the making of a draft, its playing.

    Across lanes, what comes first among events of the same moment is chance.
    """
    if event.name in _PLAYING:
        return "playing"
    if event.name in _MAKING and "draft" in event.data:
        return f"draft {event.data['draft']}"
    return "listening"


def _frames(recording: Recording, again: Again, tolerance_s: float) -> str:
    """What is different about the audio that went out."""
    then = [e for e in recording.entries if isinstance(e, f.Frame)]
    now = again.frames
    if recording.complete and len(then) != len(now):
        return f"{len(now)} frames went out, not {len(then)}"
    for index, (a, b) in enumerate(zip(then, now, strict=False)):
        if a.samples != b.samples:
            return f"frame {index} has {b.samples} samples, not {a.samples}"
        if a.last != b.last:
            ends = "ends" if b.last else "does not end"
            return f"frame {index} {ends} the talk spurt"
        if abs(a.t - b.time) > tolerance_s:
            return f"frame {index} went out at {b.time:.3f} s, not at {a.t:.3f} s"
    return ""
