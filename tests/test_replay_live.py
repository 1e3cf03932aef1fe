"""`trioagent replay --live`: recorded speech, said again to the providers of today."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest

from tests.fakes import (
    ANA,
    FakeLanguageModel,
    FakeRecognizer,
    Vocabulary,
)
from tests.helpers_recorded_scene import record, two_questions
from trioagent.journal.latency import metrics
from trioagent.recording.reader import load
from trioagent.replay.again import ears, memory
from trioagent.replay.live.result import result_of, rows, summary
from trioagent.replay.live.run import Live, TimedRecognizer, later, run_live
from trioagent.replay.live.transcripts import WordErrors
from trioagent.replay.settings import recorded_config

if TYPE_CHECKING:
    from pathlib import Path

    from trioagent.journal.events import Event


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return record(tmp_path_factory.mktemp("questions"), two_questions)


def ttfa_ms(events: list[Event]) -> float:
    found = metrics(events)["total_ttfa_ms"]
    assert found is not None
    return found


# --- moved to the present --------------------------------------------------------


def test_a_recording_at_another_time_is_the_same_one(questions: list[Path]) -> None:
    recording = load(questions[1])
    moved = later(recording, 1000.5)
    for turn in recording.turns:
        assert moved.events(turn) == recording.events(turn)
    assert moved.entries[0].t == pytest.approx(recording.entries[0].t + 1000.5)
    assert recording.header.memory["answered"]
    before, after = memory(recording), memory(moved)
    assert after == before.later(1000.5)
    assert after != before
    ear, moved_ear = ears(recording)[ANA.id], ears(moved)[ANA.id]
    assert moved_ear.last_packet == pytest.approx(ear.last_packet + 1000.5)
    assert moved_ear.pre_roll
    times = [kept.time - 1000.5 for kept in moved_ear.pre_roll]
    assert times == pytest.approx([kept.time for kept in ear.pre_roll])
    assert len(moved.heard[ANA.id]) == len(recording.heard[ANA.id])


@pytest.mark.parametrize("which", [0, 1])
async def test_without_a_live_provider_it_goes_as_it_went(
    which: int, questions: list[Path], autojump_clock: object
) -> None:
    recording = load(questions[which])
    made = await run_live(recording, recorded_config(recording), Live())
    (turn,) = recording.turns
    then, now = recording.events(turn), made.turns[turn]
    assert now[-1].data == then[-1].data
    assert ttfa_ms(now) == pytest.approx(ttfa_ms(then), abs=25)
    assert made.frames


async def test_a_slower_model_is_waited_for_and_its_words_are_spoken(
    questions: list[Path], autojump_clock: object
) -> None:
    recording = load(questions[0])
    model = FakeLanguageModel({"what is that": "A plane."}, first_token_s=1.1)
    live = Live(language_model=model)
    made = await run_live(recording, recorded_config(recording), live)
    then, now = recording.events(1), made.turns[1]
    assert now[-1].data["kind"] == "answered"
    assert now[-1].data["heard"] == "A plane."
    # The recorded one took 0.1 s.
    assert 900 < ttfa_ms(now) - ttfa_ms(then) < 1100


async def test_another_recognizer_hears_the_recorded_speech(
    questions: list[Path], autojump_clock: object
) -> None:
    recording = load(questions[0])
    # It has other words for the same sounds.
    vocabulary = Vocabulary(["", "where", "was", "this"])
    recognizer = TimedRecognizer(FakeRecognizer(vocabulary, cost_s=0.002))
    live = Live(recognizer=recognizer)
    made = await run_live(recording, recorded_config(recording), live)
    result = result_of(recording, made, None, heard=True)
    assert result.turns[0].then.text == "what is that"
    assert result.turns[0].now.text == "where was this"
    assert result.errors == WordErrors(3, substitutions=3)
    # Every 20 ms it took 2 ms; finishing took one more.
    assert recognizer.audio_s > 0.9
    assert 0.05 < recognizer.busy_s / recognizer.audio_s < 0.15


async def test_what_was_really_said_counts_for_both(
    questions: list[Path], autojump_clock: object
) -> None:
    recording = load(questions[0])
    live = Live(recognizer=FakeRecognizer(Vocabulary(["", "what", "is", "this"])))
    made = await run_live(recording, recorded_config(recording), live)
    result = result_of(recording, made, "What is this thing?", heard=True)
    assert result.errors == WordErrors(4, deletions=1)
    assert result.errors_then == WordErrors(4, substitutions=1, deletions=1)
    found = summary([result, attrs.evolve(result, errors=None)])
    assert found.errors == WordErrors(4, deletions=1)
    assert found.errors_then == WordErrors(8, substitutions=2, deletions=2)
    row = rows(result)[-1]
    assert row["said"] == "What is this thing?"
    assert row["live_words"]["wer"] == 0.25
    assert row["recorded_words"]["wer"] == 0.5
