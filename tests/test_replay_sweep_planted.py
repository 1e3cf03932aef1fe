"""Bugs, planted into the agent: the sweep of a recording finds every one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from tests.helpers_recorded_scene import one_question, record
from tests.test_planted_bugs import (
    Plant,
    await_in_finally_of_playback,
    checkpoint_between_take_and_write,
    checkpoint_between_write_and_record,
    floor_without_async_with,
)
from trioagent.agent import Agent
from trioagent.decisions.history import Exchange, History
from trioagent.interfaces import FRAME_S
from trioagent.journal.events import TurnJournal
from trioagent.outcome import Interrupted
from trioagent.recording.reader import load
from trioagent.replay.parts import ReplayedLanguageModel, ReplayedRecognizer
from trioagent.replay.settings import recorded_config
from trioagent.replay.sweep.steps import Trigger
from trioagent.replay.sweep.sweep import Violation, run_once, sweep
from trioagent.stages.playback import Playback
from trioagent.turn import Turn

if TYPE_CHECKING:
    from pathlib import Path

    from trioagent.outcome import Outcome

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = record(tmp_path_factory.mktemp("question"), one_question)
    return path


def a_turn_that_never_ends(patch: Patch, bug: bool) -> None:
    finish = Turn._finish
    patch.setattr(Turn, "_finish", (lambda _turn: None) if bug else finish)


def a_task_that_outlives_its_turn(patch: Patch, bug: bool) -> None:
    begin = Turn.begin

    def leaving(self: Turn, draft: object) -> bool:
        if bug:
            trio.lowlevel.spawn_system_task(trio.sleep, 1, name="left over")
        return begin(self, draft)

    patch.setattr(Turn, "begin", leaving)


def a_history_that_is_written_twice(patch: Patch, bug: bool) -> None:
    add = History.add

    def twice(self: History, exchange: Exchange) -> None:
        add(self, exchange)
        if bug:
            add(self, exchange)

    patch.setattr(History, "add", twice)


def a_model_that_cannot_be_cancelled(patch: Patch, bug: bool) -> None:
    reply = ReplayedLanguageModel.reply

    async def stubborn(
        self: ReplayedLanguageModel, messages: object, tokens: object
    ) -> None:
        with trio.CancelScope(shield=bug):
            await reply(self, messages, tokens)

    patch.setattr(ReplayedLanguageModel, "reply", stubborn)


def more_in_the_history_than_was_heard(patch: Patch, bug: bool) -> None:
    outcome_of = Turn._outcome

    def boasting(self: Turn, failure: BaseExceptionGroup[Exception] | None) -> Outcome:
        outcome = outcome_of(self, failure)
        if bug and isinstance(outcome, Interrupted) and outcome.heard:
            return attrs.evolve(outcome, heard="A bird. It sings.")
        return outcome

    patch.setattr(Turn, "_outcome", boasting)


def a_frame_after_the_interrupt(patch: Patch, bug: bool) -> None:
    run = Playback.run

    async def late(self: Playback) -> bool:
        try:
            return await run(self)
        except trio.Cancelled:
            if bug and self.draft.buffer.cursor:
                with trio.CancelScope(shield=True):
                    await trio.sleep(FRAME_S)
                frame = self.draft.buffer.take()
                if frame is not None:
                    self.room.write(frame, self.draft.buffer.rate_hz, last=True)
            raise

    patch.setattr(Playback, "run", late)


def an_event_after_the_outcome(patch: Patch, bug: bool) -> None:
    record_event = TurnJournal.record

    def talkative(self: TurnJournal, name: str, **data: object) -> None:
        record_event(self, name, **data)
        if bug and name == "outcome":
            record_event(self, "underrun")

    patch.setattr(TurnJournal, "record", talkative)


PLANTED = [
    (await_in_finally_of_playback, "talk spurt has not ended"),
    (checkpoint_between_take_and_write, "frames, but"),
    (checkpoint_between_write_and_record, "frames, but"),
    (floor_without_async_with, "somebody has the floor"),
    (a_turn_that_never_ends, "turn 1 has 0 outcomes"),
    (a_task_that_outlives_its_turn, "the task 'left over' is left"),
    (a_history_that_is_written_twice, "2 turns are in the history, not 1"),
    (more_in_the_history_than_was_heard, "it says 'A bird. It sings.'"),
    (a_model_that_cannot_be_cancelled, "the turn did not end"),
    (a_model_that_cannot_be_cancelled, "a request is open"),
    (a_frame_after_the_interrupt, "a frame went out after the interrupt"),
    (an_event_after_the_outcome, "goes on after its outcome: underrun"),
]
EVERY_PLANT = pytest.mark.parametrize(
    ("plant", "seen"),
    PLANTED,
    ids=[f"{plant.__name__}: {seen}" for plant, seen in PLANTED],
)


@EVERY_PLANT
def test_a_planted_bug_is_found(
    plant: Plant, seen: str, question: Path, monkeypatch: Patch
) -> None:
    recording = load(question)
    config = recorded_config(recording)
    plant(monkeypatch, True)
    # Not a multiple of the steps for a frame.
    swept = sweep(recording, config, stride=7)
    broken = [line for violation in swept.violations for line in violation.broken]
    assert any(seen in line for line in broken), broken[:5]
    # What was found is found again with what is told of it.
    found = next(v for v in swept.violations if any(seen in x for x in v.broken))
    again = run_once(recording, config, found.turn, Trigger(found.step), found.seed)
    assert again == found


@EVERY_PLANT
def test_the_same_without_the_bug_is_fine(
    plant: Plant, seen: str, question: Path, monkeypatch: Patch
) -> None:
    recording = load(question)
    plant(monkeypatch, False)
    swept = sweep(recording, recorded_config(recording), stride=41)
    assert swept.violations == ()


def test_an_error_of_the_agent_itself_is_told(
    question: Path, monkeypatch: Patch
) -> None:
    def broken(self: Agent, turn: object, outcome: object) -> None:
        raise ZeroDivisionError("a bug")

    recording = load(question)
    monkeypatch.setattr(Agent, "_write_down", broken)
    swept = sweep(recording, recorded_config(recording), stride=500)
    assert "the agent failed: ZeroDivisionError('a bug')" in swept.violations[0].broken


def test_a_bug_in_a_turn_is_no_failure_of_a_model(
    question: Path, monkeypatch: Patch
) -> None:
    def broken(self: Turn, text: str) -> bool:
        raise ZeroDivisionError("a bug")

    recording = load(question)
    monkeypatch.setattr(Turn, "_on_final", broken)
    swept = sweep(recording, recorded_config(recording), stride=500)
    assert any("a bug" in line for line in swept.violations[0].broken)


def test_a_run_that_differs_from_the_one_before_is_told(
    question: Path, monkeypatch: Patch
) -> None:
    made: list[None] = []
    start = ReplayedRecognizer.__attrs_post_init__

    def slower_each_time(self: ReplayedRecognizer) -> None:
        start(self)
        made.append(None)

    async def reply(
        self: ReplayedLanguageModel, messages: object, tokens: object
    ) -> None:
        for _ in made:
            await trio.lowlevel.checkpoint()
        await original(self, messages, tokens)

    original = ReplayedLanguageModel.reply
    recording = load(question)
    monkeypatch.setattr(ReplayedRecognizer, "__attrs_post_init__", slower_each_time)
    monkeypatch.setattr(ReplayedLanguageModel, "reply", reply)
    swept = sweep(recording, recorded_config(recording), stride=500)
    assert Violation(1, None, "", 0, ("two runs of one seed differ",)) in (
        swept.violations
    )
