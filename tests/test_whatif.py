"""What a what-if says of other settings, against a run with those settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers_what_if import (
    afterthought,
    breath,
    deaf,
    holding,
    interruption,
    question,
    quick,
    record,
    slow,
    steady_noise,
    two_people,
)
from trioagent.errors import ProviderError
from trioagent.recording.reader import load
from trioagent.replay.settings import recorded_config
from trioagent.replay.what_if.effects import Run, as_recorded, run_of, together
from trioagent.replay.what_if.parts import Known, what_if

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scene import Scene

# What a virtual run and a what-if of it may differ by.
CLOSE_MS = 5.0


def runs(
    paths: list[Path], overrides: list[str], *, recorded: bool = False
) -> list[Run]:
    """Of each recording; as it was, if `recorded`."""
    found = []
    for path in paths:
        recording = load(path)
        config = recorded_config(recording, overrides)
        made = what_if(Known.of(recording), config)
        found.append(as_recorded(recording) if recorded else run_of(recording, made))
    return found


def turns(found: list[Run]) -> list[tuple[str, str, str, str]]:
    return [(t.speaker, t.outcome, t.said, t.heard) for r in found for t in r.turns]


def waits(found: list[Run]) -> list[float]:
    return [t.ttfa_ms for run in found for t in run.turns if t.ttfa_ms is not None]


def broken(what: str) -> Callable[[Scene], None]:
    def prepare(scene: Scene) -> None:
        if what == "phrase":
            scene.synthesizer.fail_on = "said"
        else:
            part = scene.model if what == "model" else scene.recognizer
            part.fail = ProviderError(f"the {what} is broken")

    return prepare


@pytest.mark.parametrize(
    "script", [question, interruption, afterthought, steady_noise, two_people]
)
@pytest.mark.parametrize("hold_ms", [210, 310, 710])
def test_the_recorded_settings_give_what_was_recorded(
    tmp_path: Path, script: Callable[[Scene], Any], hold_ms: float
) -> None:
    paths = record(tmp_path, script, config=holding(hold_ms))
    assert paths
    was, now = runs(paths, [], recorded=True), runs(paths, [])
    assert turns(now) == turns(was)
    assert waits(now) == pytest.approx(waits(was), abs=CLOSE_MS)
    assert together(now).missed == 0


@pytest.mark.parametrize("what", ["recognizer", "model", "phrase"])
def test_failures_come_again(tmp_path: Path, what: str) -> None:
    paths = record(tmp_path, question, prepare=broken(what))
    was, now = runs(paths, [], recorded=True), runs(paths, [])
    assert turns(was)[0][1] == "failed"
    assert turns(now) == turns(was)
    assert together(now).ttfa is None, "a notice is no answer"


@pytest.mark.parametrize(
    "changes",
    [
        {"turn.hold_ms": 150, "turn.min_hold_ms": 150, "turn.max_hold_ms": 150},
        {"turn.hold_ms": 450, "turn.min_hold_ms": 450, "turn.max_hold_ms": 450},
        {"turn.early_start": '"off"'},
        {"turn.early_start": '"pause"', "turn.pause_ms": 60},
        {"turn.pause_ms": 250},
        {"turn.packet_gap_ms": 40},
        {"vad.min_speech_ms": 140, "vad.pre_roll_ms": 100},
        {"vad.pre_roll_ms": 600},
        {"chunker.first_min_chars": 30, "chunker.timeout_ms": 100},
        {"chunker.clause_chars": 10, "chunker.min_chars": 5},
        {"playback.prebuffer_ms": 500},
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("script", [question, steady_noise, interruption])
def test_other_settings_do_what_they_would_have_done(
    tmp_path: Path, script: Callable[[Scene], Any], changes: dict[str, Any]
) -> None:
    overrides = [f"{key}={value}" for key, value in changes.items()]
    paths = record(tmp_path / "before", script)
    config = recorded_config(load(paths[0]), overrides)
    really = runs(record(tmp_path / "after", script, config=config), [], recorded=True)
    guessed = runs(paths, overrides)
    assert turns(guessed) == turns(really)
    assert waits(guessed) == pytest.approx(waits(really), abs=CLOSE_MS)
    for key in ("drafts_discarded", "tokens_discarded", "underruns"):
        assert getattr(together(guessed), key) == getattr(together(really), key)


def test_a_shorter_hold_is_as_much_quicker(tmp_path: Path) -> None:
    paths = record(tmp_path, question, config=holding(500), prepare=quick)
    [before], [after] = waits(runs(paths, [])), waits(runs(paths, ["turn.hold_ms=300"]))
    assert before == pytest.approx(500, abs=CLOSE_MS)
    # "min_hold_ms" and "max_hold_ms" are for words that say something about it.
    assert before - after == pytest.approx(200, abs=0.01)


def test_a_reply_into_a_pause_is_a_cut_in(tmp_path: Path) -> None:
    paths = record(tmp_path, afterthought, config=holding(900), prepare=quick)
    [whole] = runs(paths, [])
    assert [t.said for t in whole.turns] == ["tell me a story"]
    assert not whole.turns[0].cut_in
    [cut] = runs(paths, ["turn.hold_ms=200"])
    first, second = cut.turns
    assert (first.said, first.outcome, first.cut_in) == ("tell me", "interrupted", True)
    assert (second.said, second.outcome) == ("a story", "answered")
    assert not second.cut_in
    assert together([cut]).cut_ins == 1
    assert cut.missed == 0


def test_a_longer_hold_joins_what_was_said_in_two(tmp_path: Path) -> None:
    paths = record(tmp_path, afterthought, config=holding(200), prepare=quick)
    [apart] = runs(paths, [])
    assert [t.said for t in apart.turns] == ["tell me", "a story"]
    [joined] = runs(paths, ["turn.hold_ms=900"])
    [turn] = joined.turns
    assert (turn.said, turn.outcome) == ("tell me a story", "answered")
    assert turn.ttfa_ms == pytest.approx(900, abs=CLOSE_MS)
    assert joined.missed == 0, "one reply answers both"


@pytest.mark.parametrize("lag_s", [0.0, 0.1, 0.25])
@pytest.mark.parametrize(
    ("before_ms", "after_ms"), [(200, 900), (900, 200), (350, 250)]
)
@pytest.mark.parametrize("script", [afterthought, breath])
def test_words_come_when_they_would_have_come(
    tmp_path: Path,
    script: Callable[[Scene], Any],
    before_ms: float,
    after_ms: float,
    lag_s: float,
) -> None:
    """Replies to words that nobody asked about then are stand-ins, as quick as any."""

    def prepare(scene: Scene) -> None:
        quick(scene)
        scene.recognizer.lag_s = lag_s

    def recorded(name: str, hold_ms: float) -> list[Path]:
        config = holding(hold_ms)
        return record(tmp_path / name, script, config=config, prepare=prepare)

    really = runs(recorded("after", after_ms), [], recorded=True)
    holds = ("hold_ms", "min_hold_ms", "max_hold_ms")
    overrides = [f"turn.{key}={after_ms}" for key in holds]
    guessed = runs(recorded("before", before_ms), overrides)
    assert [turn[:3] for turn in turns(guessed)] == [turn[:3] for turn in turns(really)]
    assert waits(guessed) == pytest.approx(waits(really), abs=2 * CLOSE_MS)


@pytest.mark.parametrize("script", [question, steady_noise, afterthought, breath])
# Between two packets: at the same moment, either may come first.
@pytest.mark.parametrize("hold_ms", [210, 410])
def test_a_slow_recognizer_is_as_slow(
    tmp_path: Path, script: Callable[[Scene], Any], hold_ms: float
) -> None:
    paths = record(tmp_path, script, config=holding(hold_ms), prepare=slow)
    was, now = runs(paths, [], recorded=True), runs(paths, [])
    assert turns(now) == turns(was)
    assert waits(now) == pytest.approx(waits(was), abs=CLOSE_MS)
    assert min(waits(now)) > hold_ms + 399


def test_turns_that_do_not_open_any_more_are_missed(tmp_path: Path) -> None:
    paths = record(tmp_path, question)
    [run] = runs(paths, ["vad.min_speech_ms=2000"])
    assert run.turns == ()
    assert run.missed == 1


def test_a_recording_that_was_cut_off_is_run_as_far_as_it_goes(tmp_path: Path) -> None:
    [path] = record(tmp_path, question)
    file = path / "turn.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = next(i for i, line in enumerate(lines) if '"first_frame"' in line)
    file.write_text("".join(lines[:kept]), encoding="utf-8")
    [run] = runs([path], ["turn.hold_ms=200"])
    assert run.turns == ()


def test_turns_without_words_are_ignored_again(tmp_path: Path) -> None:
    paths = record(tmp_path, question, prepare=deaf)
    found = runs(paths, ["turn.hold_ms=200"])
    assert [turn[1] for turn in turns(found)] == ["ignored"]
    assert together(found).ttfa is None
