from __future__ import annotations

from itertools import pairwise

import attrs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.config import PlaybackConfig
from trioagent.decisions.jitter import CHARS_PER_S, JitterBuffer, StartLevel
from trioagent.interfaces import Pcm, WordMark

RATE_HZ = 1000  # a frame of 20 ms has 20 samples
FRAME = 20


def buffer(rate_hz: int = RATE_HZ, fade_ms: float = 0) -> JitterBuffer:
    return JitterBuffer(rate_hz, fade_ms)


def ramp(length: int, start: int = 1) -> Pcm:
    return np.arange(start, start + length, dtype=np.int16)


def say(
    buffer: JitterBuffer, text: str, word_samples: int, *, marks: bool = True
) -> None:
    """A whole phrase, one piece per word."""
    buffer.begin_phrase(text)
    position = 0
    for index, word in enumerate(text.split()):
        start = text.index(word, position)
        position = start + len(word)
        mark = (WordMark(start, index * word_samples),) if marks else ()
        buffer.put(np.ones(word_samples, np.int16), mark)
    buffer.end_phrase()


@given(st.lists(st.integers(0, 90), max_size=30), st.lists(st.booleans()))
def test_every_sample_comes_out_once_and_in_order(
    sizes: list[int], takes: list[bool]
) -> None:
    """Whatever the sizes of the pieces, and whenever frames are taken."""
    made, out = buffer(), []
    made.begin_phrase("text")
    position = 1
    for index, size in enumerate(sizes):
        made.put(ramp(size, position))
        position += size
        if index < len(takes) and takes[index] and (frame := made.take()) is not None:
            out.append(frame)
        taken = FRAME * len(out)
        assert made.cursor == taken
        assert made.level_s == pytest.approx((position - 1 - taken) / RATE_HZ)
    made.complete = True
    while not made.drained:
        assert len(out) < position, "it never ends"
        out.append(made.take())
    total = position - 1
    assert all(len(frame) == FRAME for frame in out)
    assert len(out) == -(-total // FRAME)
    played = np.concatenate(out) if out else ramp(0)
    assert np.array_equal(played[:total], ramp(total))
    assert not played[total:].any()
    assert made.cursor == total


@pytest.mark.parametrize("rate_hz", [8000, 16_000, 22_050, 24_000, 44_100, 48_000])
def test_a_frame_has_20_ms_at_any_rate(rate_hz: int) -> None:
    made = buffer(rate_hz)
    made.begin_phrase("text")
    made.put(np.ones(rate_hz, np.int16))
    frame = made.take()
    assert len(frame) == rate_hz // 50
    assert made.level_s == pytest.approx(0.98)


def test_less_than_a_frame_waits_and_is_counted_as_an_underrun() -> None:
    made = buffer()
    made.begin_phrase("text")
    made.put(ramp(FRAME - 1))
    assert made.take() is None
    assert made.underruns == 1
    assert made.cursor == 0
    made.put(ramp(1, FRAME))
    assert np.array_equal(made.take(), ramp(FRAME))
    assert made.take() is None
    assert made.underruns == 2


def test_the_last_frame_is_padded_with_silence() -> None:
    made = buffer()
    made.begin_phrase("text")
    made.put(ramp(5))
    made.complete = True
    assert made.take().tolist() == [1, 2, 3, 4, 5, *[0] * 15]
    assert made.drained
    assert made.cursor == 5
    assert made.underruns == 0


def test_audio_fades_in_at_the_start_and_after_an_underrun_only() -> None:
    made = buffer(fade_ms=10)
    made.begin_phrase("text")
    faded = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, *[1000] * 10]
    loud = np.full(FRAME, 1000, np.int16)
    for expected in (faded, loud.tolist(), None, faded, loud.tolist()):
        if expected is not None:
            made.put(loud)
        frame = made.take()
        assert (None if frame is None else frame.tolist()) == expected
    assert loud.tolist() == [1000] * FRAME  # what was put is not written to


@pytest.mark.parametrize(
    ("samples", "complete", "level_s", "ready"),
    [
        (0, False, 0.0, False),
        (FRAME - 1, False, 0.0, False),
        (FRAME, False, 0.0, True),
        (59, False, 0.06, False),
        (60, False, 0.06, True),
        (1, True, 0.06, True),
        (0, True, 0.06, False),
    ],
)
def test_when_a_reply_may_start(
    samples: int, complete: bool, level_s: float, ready: bool
) -> None:
    made = buffer()
    made.begin_phrase("text")
    made.put(ramp(samples))
    made.complete = complete
    assert made.ready(level_s) is ready
    assert made.drained is (complete and not samples)


# --- what was heard ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frames", "heard"),
    [
        (0, ""),
        (1, ""),
        (2, ""),  # the first word is over, but nothing says so before the second
        (3, "One"),
        (4, "One"),
        (5, "One two,"),
        (6, "One two, three."),
        (7, "One two, three."),
        (9, "One two, three. Four"),
        (10, "One two, three. Four five."),
    ],
)
def test_heard_is_cut_at_the_last_word_that_certainly_ended(
    frames: int, heard: str
) -> None:
    made = buffer()
    say(made, "One two, three.", 2 * FRAME)
    say(made, "Four five.", 2 * FRAME)
    for _ in range(frames):
        made.take()
    assert made.heard() == heard


def test_without_marks_heard_is_cut_in_proportion_to_the_audio() -> None:
    made = buffer()
    say(made, "aaaa bbbb cccc dddd", 5 * FRAME, marks=False)  # 19 letters, 20 frames
    heard = [made.heard()]
    while made.level_s:
        made.take()
        heard.append(made.heard())
    assert heard == [
        *[""] * 5,
        *["aaaa"] * 5,
        *["aaaa bbbb"] * 5,
        *["aaaa bbbb cccc"] * 5,
        "aaaa bbbb cccc dddd",
    ]


def test_a_phrase_still_being_made_is_not_claimed_as_heard() -> None:
    """All that is there was played, but most of the phrase is not there yet."""
    made = buffer()
    text = "one two three four five six seven"
    made.begin_phrase(text)
    made.put(ramp(FRAME))
    made.take()
    assert made.heard() == ""
    made.put(np.ones(10 * FRAME, np.int16))
    for _ in range(10):
        made.take()
    played_s = 11 * FRAME / RATE_HZ
    assert len(made.heard()) <= played_s * CHARS_PER_S
    assert text.startswith(made.heard())


def test_the_audio_of_a_failed_phrase_claims_only_its_own_words() -> None:
    made = buffer()
    made.begin_phrase("one two three")
    made.put(np.ones(2 * FRAME, np.int16), (WordMark(0, 0),))
    made.put(np.ones(2 * FRAME, np.int16), (WordMark(4, 2 * FRAME),))
    say(made, "Next phrase.", FRAME)  # the first one never got its end
    made.complete = True
    while not made.drained:
        made.take()
    assert made.heard() == "one Next phrase."


def test_a_phrase_without_audio_was_not_heard() -> None:
    made = buffer()
    made.begin_phrase("unspeakable")
    say(made, "Heard.", FRAME)
    made.complete = True
    made.take()
    assert made.heard() == "Heard."


@given(
    st.lists(st.lists(st.integers(1, 9), min_size=1, max_size=6), max_size=4),
    st.integers(1, 70),
    st.booleans(),
)
def test_heard_is_a_beginning_of_the_text_and_only_grows(
    word_lengths: list[list[int]], word_samples: int, marks: bool
) -> None:
    phrases = [" ".join("x" * n for n in lengths) + "." for lengths in word_lengths]
    made = buffer()
    for phrase in phrases:
        say(made, phrase, word_samples, marks=marks)
    made.complete = True
    heard = [made.heard()]
    while not made.drained:
        made.take()
        heard.append(made.heard())
    text = " ".join(phrases)
    assert heard[0] == ""
    assert heard[-1] == text
    for before, after in pairwise(heard):
        assert after.startswith(before)
    # Whole words only.
    assert all((text + " ").startswith(f"{h} ") for h in heard if h)


@given(
    st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(1, 70), st.data()
)
def test_marked_words_that_were_not_played_out_are_not_heard(
    word_lengths: list[int], word_samples: int, data: st.DataObject
) -> None:
    text = " ".join("x" * n for n in word_lengths)
    made = buffer()
    say(made, text, word_samples)
    frames = data.draw(st.integers(0, len(word_lengths) * word_samples // FRAME))
    for _ in range(frames):
        made.take()
    count = len(made.heard().split())
    played_out = made.cursor // word_samples
    assert played_out - 1 <= count <= played_out


# --- the start level ------------------------------------------------------------------


def start_level(**options: float) -> StartLevel:
    given = {"prebuffer_ms": 40, "max_prebuffer_ms": 800, "ahead_s": 10.0} | options
    return StartLevel(PlaybackConfig(**given))


def test_a_fast_synthesizer_needs_only_the_prebuffer() -> None:
    level = start_level()
    assert level.seconds == pytest.approx(0.04)
    for _ in range(50):
        level.observe(1.0, 0.2)
    assert level.seconds == pytest.approx(0.04)


def test_a_slow_synthesizer_raises_the_level_and_a_fast_one_lowers_it() -> None:
    level = start_level(max_prebuffer_ms=2000)
    for _ in range(50):
        level.observe(1.0, 1.25)
    # At 0.8 s of audio per second, 3 s of speech lack 0.6 s.
    assert level.seconds == pytest.approx(0.6, abs=0.01)
    for _ in range(50):
        level.observe(1.0, 0.2)
    assert level.seconds == pytest.approx(0.04)


@pytest.mark.parametrize(
    ("options", "most_s"),
    [
        ({}, 0.8),
        ({"max_prebuffer_ms": 10, "prebuffer_ms": 100}, 0.1),
        # More than may wait in the buffer would never be there.
        ({"max_prebuffer_ms": 3000, "ahead_s": 0.5}, 0.5),
        ({"prebuffer_ms": 2000, "ahead_s": 0.5}, 0.5),
    ],
)
def test_the_level_has_a_limit(options: dict[str, float], most_s: float) -> None:
    level = start_level(**options)
    for _ in range(50):
        level.observe(0.1, 10.0)
    assert level.seconds == pytest.approx(most_s)


def test_no_audio_and_no_time_teach_nothing_absurd() -> None:
    level = start_level()
    before = attrs.evolve(level)
    level.observe(0.0, 5.0)
    assert level.speed == before.speed
    level.observe(1.0, 0.0)
    assert level.speed == pytest.approx(10.0)
