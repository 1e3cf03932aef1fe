"""What counts as the same, and what is told of what does not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.helpers_recordings import HEADER
from trioagent.journal.events import Event
from trioagent.recording import format as f
from trioagent.recording.recording import Recording, no_audio
from trioagent.replay.again import Again
from trioagent.replay.compare import CONTEXT, TurnResult, compare
from trioagent.replay.room import WrittenFrame

PLAIN: tuple[tuple[float, str, dict[str, Any]], ...] = (
    (0.0, "speech_started", {"speaker": "Ana"}),
    (0.4, "partial", {"text": "what"}),
    (0.6, "draft_started", {"draft": 1, "cause": "pause", "text": "what"}),
    (0.7, "llm_first_token", {"draft": 1}),
    (0.8, "speech_ended", {"cause": "silence", "last_speech": 0.5}),
    (0.9, "final", {"text": "what"}),
    (1.0, "floor_taken", {}),
    (1.0, "first_frame", {"draft": 1}),
    (1.2, "last_frame", {"until": 1.22}),
    (1.2, "outcome", {"kind": "answered"}),
)
BEGAN = 0.3


def recording(
    *, events: Any = PLAIN, frames: int = 3, complete: bool = True
) -> Recording:
    entries: list[f.Entry] = [
        f.Happened(BEGAN + t, 1, name, data) for t, name, data in events
    ]
    entries += [f.Frame(1.3 + i * 0.02, 480, i == frames - 1) for i in range(frames)]
    entries.sort(key=lambda entry: entry.t)
    if complete:
        entries.append(f.Ended(entries[-1].t))
    empty = no_audio()
    return Recording(
        Path("x"), HEADER, tuple(entries), {}, empty, empty, complete=complete
    )


def made(events: Any = PLAIN, *, frames: int = 3, began: float = BEGAN) -> Again:
    return Again(
        {1: [Event(t, name, dict(data)) for t, name, data in events]},
        {1: began},
        [WrittenFrame(1.3 + i * 0.02, 480, i == frames - 1) for i in range(frames)],
    )


def changed(index: int, **change: Any) -> Any:
    """The plain turn, but for one event."""
    events = list(PLAIN)
    t, name, data = events[index]
    new = (change.pop("t", t), change.pop("name", name), {**data, **change})
    events[index] = new
    return tuple(events)


def only(results: list[TurnResult]) -> TurnResult:
    (result,) = results
    return result


def test_the_same_is_identical() -> None:
    result = only(compare(recording(), made()))
    assert result == TurnResult(1, "Ana", len(PLAIN), None, pytest.approx(0, abs=1e-9))
    assert result.identical


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (changed(1, t=0.421), "21 ms later"),
        (changed(1, t=0.379), "21 ms earlier"),
        (changed(1, text="that"), "another text"),
        (changed(1, extra=None), ""),
        (changed(1, extra=1), "another extra"),
        (changed(4, last_speech=0.519), ""),
        (changed(4, last_speech=0.521), "another last_speech"),
        (changed(7, draft=2), "another draft"),
        (changed(9, kind="failed"), "another kind"),
        (changed(5, name="provider_failed"), "another event"),
        (PLAIN[:-1], "it did not happen"),
        ((*PLAIN, (1.3, "restored", {})), "more happened"),
        ((), "it did not happen"),
    ],
)
def test_the_difference_is_told(now: Any, what: str) -> None:
    result = only(compare(recording(), made(now)))
    assert (result.difference.what if result.difference else "") == what


def test_a_difference_comes_with_both_and_what_was_before() -> None:
    difference = only(compare(recording(), made(changed(5, text="that")))).difference
    assert difference is not None
    assert difference.recorded == Event(0.9, "final", {"text": "what"})
    assert difference.now is not None
    assert difference.now.data == {"text": "that"}
    names = [event.name for event in difference.before]
    assert names == [name for _, name, _ in PLAIN[1:5]]
    assert len(names) == CONTEXT


def test_the_first_difference_counts_whatever_its_lane() -> None:
    events = changed(7, draft=9)[:8] + changed(9, kind="failed")[8:]
    events = [*events[:3], (0.75, "llm_first_token", {"draft": 1}), *events[4:]]
    difference = only(compare(recording(), made(events))).difference
    assert difference is not None
    assert difference.what == "50 ms later"


def test_across_lanes_the_order_of_a_moment_is_chance() -> None:
    events = list(PLAIN)
    # The token before the draft's start is announced, the outcome before the playback.
    events[2], events[3] = (0.69, *events[3][1:]), (0.61, *events[2][1:])
    assert only(compare(recording(), made(sorted(events, key=lambda e: e[0]))))
    swapped = [*PLAIN[:6], PLAIN[9], *PLAIN[6:9]]
    swapped[6] = (1.19, *swapped[6][1:])
    assert only(compare(recording(), made(swapped))).identical
    # In one lane it is not.
    lane = [*PLAIN[:4], PLAIN[5], PLAIN[4], *PLAIN[6:]]
    assert not only(compare(recording(), made(lane))).identical


def test_the_furthest_is_told_and_the_tolerance_can_be_set() -> None:
    now = made(changed(1, t=0.415))
    assert only(compare(recording(), now)).furthest_s == pytest.approx(0.015)
    assert not only(compare(recording(), now, 0.01)).identical


def test_a_turn_that_begins_later_is_told() -> None:
    late = made(began=BEGAN + 0.05)
    difference = only(compare(recording(), late)).difference
    assert difference is not None
    assert difference.what == "50 ms later"
    assert difference.recorded is not None
    assert difference.recorded.name == "speech_started"


def test_a_turn_more_and_a_turn_less() -> None:
    now = made()
    now.turns[2], now.began[2] = [Event(0.0, "speech_started", {"speaker": "Ben"})], 1.0
    one, two = compare(recording(), now)
    assert one.identical
    assert (two.turn, two.speaker, two.events) == (2, "Ben", 0)
    assert two.difference is not None
    assert two.difference.what == "more happened"
    gone = only(compare(recording(), Again(frames=made().frames)))
    assert gone.difference is not None
    assert gone.difference.what == "it did not happen"
    assert gone.speaker == "Ana"


# --- frames ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"time": 1.341}, "frame 1 went out at 1.341 s, not at 1.320 s"),
        ({"time": 1.339}, ""),
        ({"samples": 479}, "frame 1 has 479 samples, not 480"),
        ({"last": True}, "frame 1 ends the talk spurt"),
    ],
)
def test_other_frames_are_told(change: dict[str, Any], what: str) -> None:
    now = made()
    now.frames[1] = attrs.evolve(now.frames[1], **change)
    difference = only(compare(recording(), now)).difference
    assert (difference.what if difference else "") == what


def test_more_and_less_frames_are_told() -> None:
    for frames in (2, 4):
        difference = only(compare(recording(), made(frames=frames))).difference
        assert difference is not None
        assert difference.what == f"{frames} frames went out, not 3"


# --- cut off ---------------------------------------------------------------------


def test_what_was_cut_off_may_go_on() -> None:
    cut = recording(events=PLAIN[:5], frames=0, complete=False)
    assert only(compare(cut, made())).identical
    assert not only(compare(cut, made(PLAIN[:1]))).identical
    now = made()
    now.turns[2], now.began[2] = [Event(0.0, "speech_started", {})], 1.0
    assert [result.turn for result in compare(cut, now)] == [1]


def test_the_last_moment_of_what_was_cut_off_may_lack_its_cause() -> None:
    cut = recording(events=PLAIN[:5], frames=0, complete=False)
    assert only(compare(cut, made(PLAIN[:4]))).identical
    assert not only(compare(cut, made(PLAIN[:3]))).identical
