"""What was recorded runs again, and what does not go as it went is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.helpers_replay import (
    Row,
    differences,
    edit,
    record,
    recordings,
    run_again,
)
from tests.replay_stories import (
    CONFIGS,
    OUTCOMES,
    STORIES,
    answered,
    open_microphone,
    two_turns,
)
from tests.scene import CONFIG
from trioagent.decisions.endpointing import Endpointer
from trioagent.decisions.phrases import PhraseCutter
from trioagent.recording.finding import RecordingError
from trioagent.recording.format import TURN_FILE
from trioagent.recording.reader import load
from trioagent.replay.again import again
from trioagent.replay.compare import compare
from trioagent.replay.parts import ReplayedLanguageModel
from trioagent.stages import hearing
from trioagent.stages.hearing import Hearing

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from trioagent.config import TurnConfig
    from trioagent.interfaces import Message, Outlet
    from trioagent.journal.events import Event
    from trioagent.recording.recording import Recording

SEEDS = range(10)


def outcomes(recording: Recording) -> list[str]:
    """How its turns ended: "ignored: echo"."""
    ends = [recording.events(turn)[-1] for turn in recording.turns]
    assert all(end.name == "outcome" for end in ends)
    return [": ".join(filter(None, map(e.data.get, ("kind", "why")))) for e in ends]


@pytest.mark.parametrize("name", STORIES)
def test_each_kind_of_turn_goes_as_it_went(name: str, tmp_path: Path) -> None:
    scene = record(tmp_path, STORIES[name], CONFIGS.get(name, CONFIG))
    found = recordings(tmp_path)
    assert [outcomes(recording) for recording in found] == OUTCOMES[name]
    for recording in found:
        assert recording.complete
        assert not recording.warnings
        then = {n: [e for t, e in scene.events if t == n] for n in recording.turns}
        for seed in SEEDS:
            made, results = run_again(recording, seed)
            assert not any(r.difference for r in results), (seed, results)
            assert [r.turn for r in results] == list(recording.turns)
            # Not by the comparison's word alone.
            for turn, events in then.items():
                assert sorted(e.name for e in made.turns[turn]) == sorted(
                    e.name for e in events
                )
                assert told(made.turns[turn][-1]) == told(events[-1])


def test_the_stories_are_what_they_say(tmp_path: Path) -> None:
    def names(story: str) -> list[str]:
        scene = record(tmp_path / story, STORIES[story], CONFIGS.get(story, CONFIG))
        return [event.name for _, event in scene.events]

    assert names("drafts_on_drafts").count("draft_started") == 3, "two, and the last"
    assert names("resumed_in_a_pause").count("final") == 1
    assert "speech_resumed" in names("resumed_before_the_reply")
    assert {"ducked", "restored"} <= set(names("cough"))
    assert names("phrase_fails").count("provider_failed") == 2


def told(event: Event) -> tuple[str, float, dict[str, Any]]:
    return event.name, round(event.t, 3), event.data


def test_the_same_frames_at_the_same_times(tmp_path: Path) -> None:
    scene = record(tmp_path, STORIES["interrupted_by_another"])
    (recording,) = recordings(tmp_path)
    made, _ = run_again(recording)
    began = scene.room.frames[0].time
    then = [(f.time - began, len(f.pcm), f.last) for f in scene.room.frames]
    now = [(f.time - made.frames[0].time, f.samples, f.last) for f in made.frames]
    assert [x[1:] for x in now] == [x[1:] for x in then]
    assert [x[0] for x in now] == pytest.approx([x[0] for x in then], abs=1e-5)


# --- another engine --------------------------------------------------------------


def test_a_longer_hold_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    record(tmp_path, open_microphone)

    def longer(config: TurnConfig, now: float) -> Endpointer:
        names = ("hold_ms", "min_hold_ms", "max_hold_ms")
        holds = {name: getattr(config, name) + 100 for name in names}
        return Endpointer(attrs.evolve(config, **holds), now)

    monkeypatch.setattr(hearing, "Endpointer", longer)
    (found,) = differences(recordings(tmp_path)[0])
    # It wakes when something was awake then.
    assert found.startswith("turn 1: 101 ms later: then Event(")
    assert "name='speech_ended'" in found


def test_a_dropped_partial_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    record(tmp_path, answered)
    take = Hearing._take_hypothesis
    monkeypatch.setattr(
        Hearing,
        "_take_hypothesis",
        lambda self, text: None if text == "what time" else take(self, text),
    )
    (found,) = differences(recordings(tmp_path)[0])
    assert found.startswith("turn 1: another text: then Event(")
    assert "'text': 'what time'}), now" in found
    assert "'text': 'what time is'})" in found


def test_another_phrase_is_told(tmp_path: Path, monkeypatch: Any) -> None:
    record(tmp_path, answered)
    push = PhraseCutter.push
    monkeypatch.setattr(
        PhraseCutter, "push", lambda self, text: push(self, text.replace("t", "tt"))
    )
    (found,) = differences(recordings(tmp_path)[0])
    assert "turn 1: another text" in found
    assert "name='phrase'" in found
    assert "you said whatt ttime is itt." in found


def test_a_turn_that_does_not_open_or_is_new_is_told(tmp_path: Path) -> None:
    record(tmp_path, two_turns)
    recording = recordings(tmp_path)[0]
    deaf = attrs.evolve(CONFIG.vad, min_speech_ms=2000)
    config = attrs.evolve(CONFIG, vad=deaf)
    assert list(told_with(recording, config)) == ["turn 1: it did not happen"]
    cough = tmp_path / "cough"
    record(cough, STORIES["noise_then_question"], CONFIG)
    (recording,) = recordings(cough)
    eager = attrs.evolve(CONFIG, vad=attrs.evolve(CONFIG.vad, min_speech_ms=0))
    assert "turn 2: more happened" in list(told_with(recording, eager))


def told_with(recording: Recording, config: Any) -> Sequence[str]:
    results = compare(recording, again(recording, config))
    return [f"turn {r.turn}: {r.difference.what}" for r in results if r.difference]


# --- what is not whole -----------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["two_turns", "interrupted_by_another", "drafts_on_drafts", "phrase_fails"]
)
def test_cut_off_it_goes_as_far_as_it_goes(name: str, tmp_path: Path) -> None:
    record(tmp_path, STORIES[name], CONFIGS.get(name, CONFIG))
    for path in [recording.path for recording in recordings(tmp_path)]:
        lines = (path / TURN_FILE).read_bytes().splitlines(keepends=True)
        for count in range(1, len(lines), 20):
            (path / TURN_FILE).write_bytes(b"".join(lines[:count]))
            cut = load(path)
            assert not cut.complete
            assert not differences(cut), count


def test_an_edited_word_is_told(tmp_path: Path) -> None:
    record(tmp_path, answered)

    def change(rows: list[Row]) -> list[Row]:
        for row in rows:
            if row.get("what") == "finished":
                row["text"] = "what rhyme is it"
        return rows

    edited = edit(recordings(tmp_path)[0].path, change)
    (found,) = differences(edited)
    assert "then Event" in found
    assert "what rhyme is it" in found


@pytest.mark.parametrize("what", ["finished", "replied", "said", "outcome"])
def test_what_never_ends_does_not_hang(what: str, tmp_path: Path) -> None:
    record(tmp_path, answered)

    def change(rows: list[Row]) -> list[Row]:
        return [r for r in rows if what not in (r.get("what"), r.get("event"))]

    edited = edit(recordings(tmp_path)[0].path, change)
    assert edited.complete
    assert differences(edited), "something happened then, and cannot now"


def test_a_memory_of_another_kind_is_refused(tmp_path: Path) -> None:
    record(tmp_path, answered)

    def change(rows: list[Row]) -> list[Row]:
        rows[0]["memory"]["said"] = [{"at": "noon"}]
        return rows

    edited = edit(recordings(tmp_path)[0].path, change)
    with pytest.raises(RecordingError, match=r"turn.jsonl: line 1: memory: .*said"):
        run_again(edited)


# --- what came before ------------------------------------------------------------


def test_the_second_recording_alone_asks_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = record(tmp_path, two_turns)
    asked: list[tuple[Message, ...]] = []
    reply = ReplayedLanguageModel.reply

    async def spy(
        self: ReplayedLanguageModel, messages: Sequence[Message], tokens: Outlet[str]
    ) -> None:
        asked.append(tuple(messages))
        await reply(self, messages, tokens)

    monkeypatch.setattr(ReplayedLanguageModel, "reply", spy)
    second = recordings(tmp_path)[1]
    assert second.turns == (2,)
    assert not differences(second)
    then = [p for p in scene.model.prompts if "tomorrow" in p[-1].content]
    assert asked == then
    assert [m.content for m in asked[-1][1:]] == [
        "what time is it",
        "you said what time is it.",
        "and tomorrow",
    ]
    # Without the memory it would be another prompt.
    header = attrs.evolve(second.header, memory={"turns": 1})
    run_again(attrs.evolve(second, header=header))
    assert asked[-1] != then[-1]
