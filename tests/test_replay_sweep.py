"""`trioagent replay --sweep`: recorded turns interrupted at every step."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import attrs
import pytest

from tests.fakes import ANA, BEN
from tests.helpers_recorded_scene import an_interruption, one_question, record
from tests.test_planted_bugs import await_in_finally_of_playback
from trioagent.cli import main
from trioagent.outcome import Answered, Failed, Interrupted
from trioagent.recording.reader import load
from trioagent.replay.parts import Missing
from trioagent.replay.settings import recorded_config
from trioagent.replay.sweep.steps import Trigger
from trioagent.replay.sweep.sweep import Violation, run_once, sweep
from trioagent.replay.sweep.watched import WatchedAgent

if TYPE_CHECKING:
    from pathlib import Path

    from trioagent.outcome import Outcome
    from trioagent.recording.recording import Recording
    from trioagent.turn import Turn

Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def question(tmp_path_factory: pytest.TempPathFactory) -> Path:
    (path,) = record(tmp_path_factory.mktemp("question"), one_question)
    return path


@pytest.fixture(scope="module")
def interruption(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interruption")
    (path,) = record(folder, an_interruption, people=(ANA, BEN))
    return path


def outcomes(recording: Recording) -> list[str]:
    return [recording.events(n)[-1].data["kind"] for n in recording.turns]


def steps_of(recording: Recording, turn: int) -> list[str]:
    trigger = Trigger()
    assert run_once(recording, recorded_config(recording), turn, trigger, 0) is None
    return trigger.points


def endings_of(
    recording: Recording, turn: int, step: int, patch: Patch
) -> tuple[Violation | None, dict[int, Outcome]]:
    """Interrupt once; how all turns ended."""
    ended: dict[int, Outcome] = {}
    write_down = WatchedAgent._write_down

    def kept(self: WatchedAgent, turn: Turn, outcome: Outcome) -> None:
        ended[turn.journal.number] = outcome
        write_down(self, turn, outcome)

    patch.setattr(WatchedAgent, "_write_down", kept)
    config = recorded_config(recording)
    violation = run_once(recording, config, turn, Trigger(step), 0)
    return violation, ended


# --- nothing is wrong ------------------------------------------------------------


def test_every_step_of_a_recorded_turn(question: Path) -> None:
    recording = load(question)
    assert outcomes(recording) == ["answered"]
    swept = sweep(recording, recorded_config(recording))
    assert swept.violations == ()
    assert swept.turns == 1
    assert swept.runs == len(steps_of(recording, 1)) > 200


def test_both_turns_of_a_barge_in(interruption: Path) -> None:
    recording = load(interruption)
    assert outcomes(recording) == ["interrupted", "answered"]
    swept = sweep(recording, recorded_config(recording), stride=9)
    assert swept.violations == ()
    counts = [len(range(0, len(steps_of(recording, n)), 9)) for n in (1, 2)]
    assert swept.turns == 2
    assert swept.runs == sum(counts)


def test_the_turn_that_is_interrupted_is_the_one_that_was_meant(
    interruption: Path, monkeypatch: Patch
) -> None:
    recording = load(interruption)
    # In its middle, the second one speaks into the first one's reply.
    step = len(steps_of(recording, 2)) // 8
    violation, ended = endings_of(recording, 2, step, monkeypatch)
    assert violation is None
    assert isinstance(ended[2], Interrupted)
    assert ended[2].reason == "sweep"


def test_what_the_recording_does_not_know_is_no_violation(
    question: Path, monkeypatch: Patch
) -> None:
    recording = load(question)
    # While she speaks: she goes on, in a turn that was not.
    step = steps_of(recording, 1).index("follow audio") + 3
    violation, ended = endings_of(recording, 1, step, monkeypatch)
    assert violation is None
    assert isinstance(ended[1], Interrupted)
    assert isinstance(ended[2], Failed)
    assert isinstance(ended[2].error, Missing)


def test_a_call_that_was_cancelled_then_may_wait_for_ever_now(
    interruption: Path, monkeypatch: Patch
) -> None:
    recording = load(interruption)
    # Without whom it was cancelled for, the first reply goes on.
    violation, ended = endings_of(recording, 2, 0, monkeypatch)
    assert violation is None
    assert isinstance(ended[1], Interrupted | Answered)


def test_a_recording_that_was_cut_off_is_swept_as_far_as_it_goes(
    question: Path, tmp_path: Path
) -> None:
    lines = (question / "turn.jsonl").read_bytes().splitlines(keepends=True)
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in question.iterdir():
        (cut / file.name).write_bytes(file.read_bytes())
    (cut / "turn.jsonl").write_bytes(b"".join(lines[: 2 * len(lines) // 3]))
    recording = load(cut)
    assert not recording.complete
    swept = sweep(recording, recorded_config(recording), stride=20)
    assert swept.violations == ()
    assert swept.runs > 5


# --- on the command line ---------------------------------------------------------


def test_the_command_tells_how_many_runs_were_fine(
    question: Path, interruption: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Two processes, and thus none of what a test may have planted here.
    paths = [str(question), str(interruption)]
    assert main(["replay", *paths, "--sweep", "--stride", "40", "--jobs", "2"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("3 turns, ")
    assert "in 0 of them a rule was broken" in told


def test_the_command_tells_the_first_violation(
    question: Path, monkeypatch: Patch, capsys: pytest.CaptureFixture[str]
) -> None:
    await_in_finally_of_playback(monkeypatch, True)
    command = ["replay", str(question), "--sweep", "--stride", "9", "--jobs", "1"]
    assert main(command) == 1
    told = capsys.readouterr().out
    recording = load(question)
    first = sweep(recording, recorded_config(recording), stride=9).violations[0]
    assert (
        f"{question}: turn 1, interrupted before its step {first.step}, of "
        f"{first.task!r} (seed 0):\n  the talk spurt has not ended\n" in told
    )
    assert "more runs of this recording" in told
    assert main([*command, "--json"]) == 1
    row = json.loads(capsys.readouterr().out)
    assert row["recording"] == str(question)
    assert row["violations"] > 1
    assert row["first"] == {**attrs.asdict(first), "broken": list(first.broken)}


def test_a_damaged_recording_does_not_stop_the_others(
    question: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "turn.jsonl").write_text("nothing\n")
    command = ["replay", str(bad), str(question), "--sweep", "--jobs", "1"]
    assert main([*command, "--stride", "60"]) == 1
    assert "; not usable: 1 recording\n" in capsys.readouterr().out
    assert str(bad) in caplog.text


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--stride", "0"], "--stride 0: must be 1 or more"),
        (["--set", "turn.hold=3"], "turn.hold"),
        (["--set", "asr.provider=sherpa"], "--set asr.…"),
    ],
)
def test_wrong_usage(
    options: list[str],
    told: str,
    question: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["replay", str(question), "--sweep", *options]) == 2
    assert told in capsys.readouterr().err


def test_other_settings_are_swept_too(question: Path) -> None:
    recording = load(question)
    config = recorded_config(recording, ["turn.early_start=off", "playback.fade_ms=5"])
    assert sweep(recording, config, stride=30).violations == ()


def test_nothing_is_logged_and_logging_is_as_it_was(
    question: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = load(question)
    before = logging.root.manager.disable
    step = steps_of(recording, 1).index("follow audio") + 3
    run_once(recording, recorded_config(recording), 1, Trigger(step), 0)
    assert caplog.text == ""
    assert logging.root.manager.disable == before
