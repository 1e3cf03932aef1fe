"""Replies and phrases: as they were, or a stand-in for what nobody asked for."""

from __future__ import annotations

from pathlib import Path

import attrs
import numpy as np
import pytest

from tests.helpers_recordings import HEADER
from trioagent.interfaces import WordMark
from trioagent.recording import format as f
from trioagent.recording.recording import Recording, no_audio
from trioagent.replay.what_if.guesses import UNKNOWN_REPLY, phrases, replies

RATE_HZ = 1000


def recording(*entries: f.Entry) -> Recording:
    samples = sum(entry.samples for entry in entries if isinstance(entry, f.Sound))
    header = attrs.evolve(HEADER, synthesizer_rate_hz=RATE_HZ)
    audio = np.arange(1, samples + 1, dtype=np.int16)
    none = no_audio()
    return Recording(Path("take"), header, entries, {}, audio, none, complete=True)


ASKED = (
    f.Asked(1.0, 1, turn=1, said="What time is it"),
    f.Token(1.3, 1, offered=1.2, text="It is "),
    f.Asked(2.0, 2, turn=2, said="and where"),
    f.Token(2.1, 2, offered=2.1, text="Here, "),
    # For 0.6 s there was no room for it.
    f.Token(3.0, 1, offered=1.4, text="noon."),
    f.Replied(3.5, 1, "done"),
)


def test_the_same_words_get_the_same_reply_in_the_same_time() -> None:
    given = replies(recording(*ASKED)).reply(7, "what time is it?")
    assert [text for _, text in given.pieces] == ["It is ", "noon."]
    gaps = [after_s for after_s, _ in given.pieces]
    assert gaps == pytest.approx([0.2, 0.1]), "waiting for room is not counted"
    assert given.rest_s == pytest.approx(0.5)
    assert given.how == "done"


def test_a_reply_that_was_cancelled_ends_with_what_is_known_of_it() -> None:
    given = replies(recording(*ASKED)).reply(2, "And where")
    assert [text for _, text in given.pieces] == ["Here, "]
    assert (given.rest_s, given.how) == (0.0, "done")


@pytest.mark.parametrize(
    ("turn", "words"),
    [(1, ["La la ", "lala."]), (2, ["Lala, "]), (3, ["La la ", "lala."])],
)
def test_other_words_get_the_reply_of_their_turn(turn: int, words: list[str]) -> None:
    given = replies(recording(*ASKED)).reply(turn, "something else")
    assert [text for _, text in given.pieces] == words


def test_a_stand_in_keeps_its_tags() -> None:
    thought = f.Token(1.3, 1, offered=1.2, text="<think>What?</think> ")
    made = replies(recording(ASKED[0], thought, *ASKED[4:]))
    (_, first), (_, second) = made.reply(1, "something else").pieces
    assert (first, second) == ("<think>What?</think> ", "noon.")


def test_a_stand_in_never_fails() -> None:
    made = replies(recording(*ASKED[:-1], f.Replied(3.5, 1, "failed", "gone")))
    same, other = made.reply(1, "what time is it"), made.reply(1, "something else")
    assert (same.how, same.error) == ("failed", "gone")
    assert (other.how, other.error) == ("done", "")


def test_where_nothing_was_replied_there_is_some_reply() -> None:
    [(after_s, text)] = replies(recording()).reply(1, "hello").pieces
    assert text == UNKNOWN_REPLY
    assert after_s > 0


SAID = (
    f.ToSay(1.0, 1, turn=1, text="It is noon."),
    f.Sound(1.2, 1, offered=1.1, samples=400, words=((0, 0), (3, 250))),
    f.Sound(1.9, 1, offered=1.3, samples=480),
    f.Said(2.0, 1, "done"),
    f.ToSay(3.0, 2, turn=2, text="Cut off here"),
    f.Sound(3.1, 2, offered=3.05, samples=160),
)


def test_a_recorded_phrase_sounds_as_it_did() -> None:
    given = phrases(recording(*SAID)).phrase("It is noon.")
    (first_s, first), (second_s, second) = given.pieces
    assert (first_s, second_s) == pytest.approx((0.1, 0.1))
    assert first.pcm.tolist() == list(range(1, 401))
    assert first.words == (WordMark(0, 0), WordMark(3, 250))
    assert len(second.pcm) == 480
    assert given.rest_s == pytest.approx(0.1)


def test_another_phrase_takes_as_long_for_its_length() -> None:
    text = "Yes, at ten of the clock."
    given = phrases(recording(*SAID)).phrase(text)
    pieces = [speech for _, speech in given.pieces]
    char = 880 / len("It is noon.")
    assert sum(len(speech.pcm) for speech in pieces) == round(char * len(text))
    assert not any(speech.pcm.any() for speech in pieces)
    assert given.pieces[0][0] == pytest.approx(0.1), "the first piece's latency"
    second_s, second = given.pieces[1]
    assert second_s == pytest.approx(0.1 / 480 * len(second.pcm)), (
        "the synthesizer's pace"
    )
    marks = [mark for speech in pieces for mark in speech.words]
    assert [
        text[mark.start_char :].split(maxsplit=1)[0] for mark in marks
    ] == text.split()
    assert [m.at_sample for m in marks] == [round(m.start_char * char) for m in marks]


def test_a_phrase_that_was_cancelled_goes_on_in_silence() -> None:
    given = phrases(recording(*SAID)).phrase("Cut off here")
    first, *rest = [speech.pcm for _, speech in given.pieces]
    assert first.tolist() == list(range(881, 1041))
    assert sum(map(len, rest)) == round(880 / 11 * 12) - 160


def test_where_nothing_was_said_phrases_have_a_usual_length() -> None:
    given = phrases(recording()).phrase("Hello there")
    seconds = sum(len(speech.pcm) for _, speech in given.pieces) / RATE_HZ
    assert 0.3 < seconds < 1.5
