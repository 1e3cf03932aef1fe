"""Which words are known after how much audio, from a recorded stream or two."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from tests.helpers_recordings import HEADER
from trioagent.recording import format as f
from trioagent.recording.recording import Recording, no_audio
from trioagent.replay.what_if.timeline import FLUSH_SAMPLES, Step, Stream, Timeline
from trioagent.replay.what_if.timelines import timelines

PACKET = 320
SECOND = 50 * PACKET


def at(seconds: float) -> int:
    return round(seconds * SECOND)


def stream(start: float, *words: tuple[float, str], end: float = 0.0) -> Stream:
    """Words and when they are known; it is heard out at `end`, if that is given."""
    steps = tuple(Step(at(when), text, 0.01) for when, text in words)
    final = f"{words[-1][1]}." if end else None
    last = at(end) if end else steps[-1].position
    return Stream(at(start), last, steps, at(end) - PACKET if end else None, final)


ONE = stream(0, (0.2, ""), (0.6, "tell"), (1.2, "tell me"), (1.6, "tell me now"), end=2)
TWO = stream(3, (3.4, "and"), (4.0, "and then"), end=5)
BOTH = Timeline(streams=(ONE, TWO), onsets=(0, at(1.1), at(3)))


@pytest.mark.parametrize(
    ("position_s", "known"),
    [
        (0.1, ""),
        (0.3, ""),
        (0.6, "tell"),
        (1.5, "tell me"),
        (2.0, "tell me now"),
        (2.1, "tell me now."),
        (3.2, "tell me now."),
        (3.5, "tell me now. and"),
    ],
)
def test_a_hypothesis_is_the_one_of_its_position(position_s: float, known: str) -> None:
    assert BOTH.hypothesis(0, at(position_s), flushed=False) == known


def test_a_flush_tells_what_silence_would_have_told() -> None:
    assert at(0.3) == FLUSH_SAMPLES
    assert BOTH.hypothesis(0, at(0.4), flushed=True) == "tell"
    assert BOTH.hypothesis(0, at(1.4), flushed=True) == "tell me now"


def test_a_flush_tells_nothing_of_what_is_said_next() -> None:
    assert BOTH.hypothesis(0, at(1.0), flushed=True) == "tell", "speech starts at 1.1"
    assert BOTH.hypothesis(0, at(1.1), flushed=True) == "tell", "or right there"


def test_a_transcript_is_the_recorded_one_once_all_speech_was_heard() -> None:
    assert BOTH.transcript(0, at(1.4)) == "tell me now", "not the final one"
    assert BOTH.transcript(0, at(2) - PACKET) == "tell me now."
    assert BOTH.transcript(0, at(5)) == "tell me now. and then."
    assert BOTH.transcript(at(3), at(5)) == "and then."


def test_who_begins_in_the_middle_hears_the_later_words() -> None:
    assert BOTH.transcript(at(1.0), at(2)) == "me now."
    assert BOTH.hypothesis(at(1.0), at(1.2), flushed=False) == "me"
    assert BOTH.hypothesis(at(2.5), at(2.9), flushed=False) == ""


def test_the_recognizer_fails_on_the_same_audio() -> None:
    feeding = f.StreamFailed(9.0, 1, 9.0, 320, "failed", "broken")
    at_the_end = f.StreamFailed(9.0, 1, 9.0, None, "failed", "broken")
    for failure, while_feeding in ((feeding, feeding), (at_the_end, None)):
        broken = Stream(0, at(2), (), None, None, at(1), failure)
        timeline = Timeline(streams=(broken,))
        assert timeline.failure(0, at(0.9), finished=True) is None
        assert timeline.failure(0, at(1), finished=True) is failure
        assert timeline.failure(0, at(1), finished=False) is while_feeding
        assert timeline.failure(at(2), at(3), finished=True) is None


def test_a_timeline_is_read_from_a_recording() -> None:
    """Packets until 1 s, flushed in the pause after them, and the rest from 2 s on."""
    packets: list[f.Entry] = [
        f.Packet(i / 50, 7, PACKET, ends_talk=i in (49, 149), speech=(1.0,))
        for i in (*range(50), *range(100, 150))
    ]
    calls: list[f.Entry] = [
        f.Happened(0.0, 1, "speech_started", {"speaker": "Ana"}),
        f.StreamOpened(0.001, 1, 1, 0.0),
        *(f.Fed(i / 50 + 0.003, 1, i / 50 + 0.001, PACKET, "tell") for i in range(50)),
        f.Fed(1.12, 1, 1.11, FLUSH_SAMPLES, "tell me"),
        f.Happened(1.3, 1, "speech_ended", {"cause": "silence", "last_speech": 0.98}),
        f.Finished(1.34, 1, 1.3, "tell me."),
    ]
    entries = tuple(sorted((*packets, *calls), key=lambda entry: entry.t))
    header = attrs.evolve(HEADER, ears=(), present=(f.Person(7, "Ana"),))
    none = no_audio()
    recording = Recording(Path("take"), header, entries, {}, none, none, complete=True)
    timeline = timelines(recording)["Ana"]
    assert timeline.position(0.5) == 26 * PACKET
    assert timeline.position(1.5) == SECOND
    assert timeline.position(9.0) == 2 * SECOND
    assert timeline.onsets == (0, SECOND)
    [read] = timeline.streams
    assert (read.start, read.end, read.speech_end) == (0, SECOND, SECOND)
    assert read.final == "tell me."
    assert [step.flushed for step in read.steps] == [False] * 50 + [True]
    assert timeline.hypothesis(0, SECOND, flushed=False) == "tell"
    assert timeline.hypothesis(0, SECOND, flushed=True) == "tell me"
    assert timeline.finishing_s == pytest.approx(0.04)
    assert timeline.fed_in_s(0, SECOND, flushed=True) == pytest.approx(0.01)
