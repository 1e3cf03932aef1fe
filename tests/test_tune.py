"""Searching settings: which are tried, which is best, and what is written about it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import attrs
import pytest

from tests.helpers_what_if import (
    afterthought,
    deaf,
    holding,
    question,
    quick,
    record,
)
from trioagent.cli import main
from trioagent.configuration.file import load_config
from trioagent.latencies.statistics import summarize
from trioagent.replay.what_if.effects import Effects
from trioagent.tuning.choice import Candidate, Limits, best, front
from trioagent.tuning.ranges import Setting, Space, read_ranges
from trioagent.tuning.search import search
from trioagent.tuning.trial import AS_RECORDED, Trials

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tests.scene import Scene


def effects(ttfa_ms: float | None, **counts: int) -> Effects:
    none = dict.fromkeys(attrs.fields_dict(Effects), 0)
    ttfa = None if ttfa_ms is None else summarize([ttfa_ms])
    return Effects(**{**none, "outcomes": {}, **counts, "ttfa": ttfa})  # type: ignore[arg-type] # all are numbers


def candidate(ttfa_ms: float | None, name: int = 0, **counts: int) -> Candidate:
    return Candidate((("turn.hold_ms", name),), effects(ttfa_ms, **counts))


@attrs.define(eq=False)
class Landscape(Trials):
    """Settings whose effects are known, without recordings."""

    of: Callable[[dict[str, Any]], Effects] = attrs.field(kw_only=True)
    tried: list[Setting] = attrs.Factory(list)

    def run(self, settings: Sequence[Setting]) -> list[Effects]:
        self.tried += settings
        return [self.of(dict(setting)) for setting in settings]


def valley(setting: dict[str, Any]) -> Effects:
    """Lowest at 400 and 250; to the left of 300 it cuts in."""
    hold, low = setting.get("turn.hold_ms", 800), setting.get("turn.min_hold_ms", 0)
    ttfa = 100 + abs(hold - 400) / 2 + abs(low - 250) / 4
    return effects(ttfa, cut_ins=max(0, (300 - hold) // 50))


WIDE = ["turn.hold_ms=100:1090:10", "turn.min_hold_ms=0:495:5"]


# --- choice ----------------------------------------------------------------------


def test_the_best_is_quick_within_the_limits() -> None:
    fast, slow = candidate(200, 1, cut_ins=1), candidate(300, 2)
    assert best([fast, slow], Limits()) is slow
    assert best([fast, slow], Limits(cut_ins=1)) is fast
    stutters = candidate(100, 3, underruns=2)
    deaf = candidate(50, 4, missed=1)
    silent = candidate(None, 5)
    assert best([silent, stutters, deaf, slow], Limits()) is slow
    assert best([deaf, slow], Limits(missed=1)) is deaf


def test_among_equals_the_nearest_is_best() -> None:
    far, near = (attrs.evolve(candidate(300), distance=d) for d in (0.5, 0.1))
    assert best([far, near], Limits()) is near
    hardly = attrs.evolve(candidate(299.99), distance=0.9)
    assert best([hardly, near], Limits()) is near, "nobody hears that"


def test_nothing_on_the_front_is_beaten() -> None:
    a, b, c = (
        candidate(300, 1),
        candidate(200, 2, cut_ins=1),
        candidate(90, 3, cut_ins=4),
    )
    beaten = [
        candidate(310, 4),
        candidate(250, 5, cut_ins=3),
        candidate(300, 6, cut_ins=1),
    ]
    stutters, silent = candidate(10, 7, underruns=1), candidate(None, 8)
    found = front([*beaten, c, stutters, b, silent, a], Limits())
    assert found == [a, b, c]


# --- search ----------------------------------------------------------------------


def found_in(ranges: list[str], budget: int) -> tuple[Any, Landscape]:
    space = read_ranges(ranges)
    trials = Landscape([], tuple(r.key for r in space.ranges), of=valley)
    recorded = valley({})
    return search(space, trials, recorded, Limits(), budget), trials


def test_a_small_grid_is_tried_whole() -> None:
    found, trials = found_in(
        ["turn.hold_ms=200:600:100", "turn.min_hold_ms=200,250"], 10
    )
    assert found.complete
    assert len(set(trials.tried)) == len(trials.tried) == 10
    winner = best(found.candidates, Limits())
    assert winner.setting == (("turn.hold_ms", 400), ("turn.min_hold_ms", 250))


def test_of_a_large_grid_a_sample_leads_to_the_best() -> None:
    found, trials = found_in(WIDE, 300)
    assert not found.complete
    assert len(set(trials.tried)) == len(trials.tried) <= 300
    winner = dict(best(found.candidates, Limits()).setting)
    assert winner == {"turn.hold_ms": 400, "turn.min_hold_ms": 250}
    again, _ = found_in(WIDE, 300)
    assert again.tried == found.tried, "the same each time"


@pytest.mark.parametrize("budget", [1, 2, 3, 17])
def test_no_more_is_tried_than_the_budget_allows(budget: int) -> None:
    found, trials = found_in(WIDE, budget)
    assert 1 <= len(trials.tried) <= budget
    assert len(found.candidates) == len(trials.tried) + 1
    assert found.recorded.setting == AS_RECORDED


# --- ranges ----------------------------------------------------------------------


def values(text: str) -> tuple[Any, ...]:
    return read_ranges([text]).ranges[0].values


def test_ranges_are_read() -> None:
    assert values("turn.hold_ms=200:400:100") == (200, 300, 400)
    assert values("turn.hold_ms=200:399:100") == (200, 300)
    assert values("vad.start_probability=0.1:0.7:0.2") == (0.1, 0.3, 0.5, 0.7)
    assert values("turn.early_start=off,pause") == ("off", "pause")
    assert values("turn.hold_ms=200, 250.5") == (200, 250.5)
    assert values("turn.hold_ms=300") == (300,)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("turn.hold=1:2:1", 'did you mean "hold_ms"'),
        ("asr.model=a,b", "can be changed live only"),
        ("nothing.at_all=1", "there is no [nothing]"),
        ("turn=1,2", "is a section"),
        ("turn.hold_ms", "must look like"),
        ("turn.hold_ms=", "must look like"),
        ("turn.hold_ms=5:1:1", "must go up"),
        ("turn.hold_ms=1:5:0", "must go up"),
        ("turn.hold_ms=1:nan:1", "must go up"),
        ("turn.hold_ms=1:2", "must have three numbers"),
        ("turn.hold_ms=a:b:c", "must have three numbers"),
        ("turn.hold_ms=0:9000:1", "has 9001 values"),
        ("turn.hold_ms=0:20000:5000", "between 0 and 10000"),
        ("turn.max_drafts=1:3:0.5", "must be a whole number"),
        ("turn.hold_ms=1,,2", "an empty value"),
        ("turn.hold_ms=1,1", "one twice"),
        ("turn.early_start=off,of", '"off", "pause" or "prefix"'),
    ],
)
def test_a_bad_range_is_a_wrong_usage(
    text: str, complaint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tune", str(tmp_path), "--range", text]) == 2
    said = capsys.readouterr().err
    assert complaint in said
    assert f"--range {text}" in said


def test_all_settings_of_a_space_have_a_place() -> None:
    space = read_ranges(["turn.hold_ms=1:3:1", "turn.early_start=off,pause"])
    assert isinstance(space, Space)
    points = list(space.points())
    assert [space.point(i) for i in range(space.size)] == points
    assert set(space.neighbours((0, 0))) == {(1, 0), (0, 1)}
    assert set(space.neighbours((1, 1))) == {(0, 1), (2, 1), (1, 0)}
    for text in ("turn.hold_ms=1", "turn.hold_ms=2"):
        with pytest.raises(Exception, match="has a range already"):
            read_ranges(["turn.hold_ms=1:3:1", text])


# --- the command -----------------------------------------------------------------


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A question, and a sentence with a pause of 0.5 s, heard with a hold of 900 ms."""
    for name, script in (("plain", question), ("paused", afterthought)):
        record(tmp_path / "in" / name, script, config=holding(900), prepare=quick)
    return tmp_path / "in"


def tune(folder: Path, *more: str) -> int:
    return main(["tune", str(folder), "--json", "--log-level", "error", *more])


HOLDS = ("--range", "turn.hold_ms=200:1000:200")


def test_the_shortest_hold_that_does_not_cut_in_is_found(
    recordings: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "tuned.toml"
    assert tune(recordings, *HOLDS, "--write", str(target)) == 0
    *tried, verdict = rows(capsys)
    assert verdict["setting"] == {"turn.hold_ms": 600}
    assert verdict["ttfa"]["p50"] == pytest.approx(600, abs=5)
    assert (tried[0]["what"], tried[0]["setting"]) == ("recorded", {})
    cut = {row["setting"].get("turn.hold_ms"): row["cut_ins"] for row in tried[1:]}
    assert cut == {200: 1, 400: 1, 600: 0, 800: 0, 1000: 0}
    on_front = [row["setting"]["turn.hold_ms"] for row in tried if row["front"]]
    assert on_front == [200, 600]
    text = target.read_text(encoding="utf-8")
    assert tomllib.loads(text) == {"turn": {"hold_ms": 600}}
    assert "2 turns in 2 recordings" in text
    assert load_config(target, []).turn.hold_ms == 600


def test_no_name_of_a_folder_ends_a_comment(recordings: Path, tmp_path: Path) -> None:
    folder = recordings.rename(tmp_path / "a\nturn.hold_ms = 1\x1b\u2028")
    target = tmp_path / "tuned.toml"
    assert tune(folder, *HOLDS, "--write", str(target)) == 0
    text = target.read_text(encoding="utf-8")
    assert r"a\nturn.hold_ms = 1\x1b\u2028" in text
    assert tomllib.loads(text) == {"turn": {"hold_ms": 600}}


def test_more_cut_ins_may_be_allowed(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tune(recordings, *HOLDS, "--max-cut-ins", "1") == 0
    assert rows(capsys)[-1]["setting"] == {"turn.hold_ms": 200}


def test_nothing_within_the_limits_is_said_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def stutter(scene: Scene) -> None:
        quick(scene)
        scene.synthesizer.piece_s = 0.5

    record(tmp_path / "in", question, prepare=stutter)
    target = tmp_path / "tuned.toml"
    assert tune(tmp_path / "in", *HOLDS, "--write", str(target)) == 1
    verdict = rows(capsys)[-1]
    assert not verdict["satisfied"]
    assert verdict["underruns"] > 0
    assert "No setting that was tried keeps within" in verdict["text"]
    assert not target.exists()


def test_the_recorded_setting_may_be_the_best(
    recordings: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    target = tmp_path / "tuned.toml"
    holds = ("--range", "turn.hold_ms=900,1000", "--write", str(target))
    assert tune(recordings, *holds) == 0
    verdict = rows(capsys)[-1]
    assert verdict["unchanged"]
    assert "is the best already" in verdict["text"]
    assert not target.exists()


def test_a_broken_recording_is_told_and_left_out(
    recordings: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    [file] = (recordings / "plain").rglob("turn.jsonl")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"hold_ms"', '"hold_mss"', 1), encoding="utf-8")
    assert tune(recordings, *HOLDS) == 1
    assert rows(capsys)[-1]["recordings"] == 1
    [told] = caplog.messages
    assert "hold_mss: unknown key" in told
    assert str(file.parent) in told


def test_recordings_without_a_reply_cannot_be_tuned(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    record(tmp_path / "in", question, prepare=deaf)
    assert tune(tmp_path / "in", *HOLDS) == 1
    assert "answered aloud" in caplog.text


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), "no --range was given"),
        ((*HOLDS, "--budget", "0"), "--budget must be at least 1"),
        ((*HOLDS, "--max-cut-ins", "-1"), "--max-cut-ins must be at least 0"),
        ((*HOLDS, "--set", "turn.pause_ms=90"), "takes no --set"),
        ((*HOLDS, "--write", "/nowhere/at/all.toml"), "there is no folder"),
    ],
)
def test_a_wrong_usage_is_told(
    options: tuple[str, ...],
    complaint: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert tune(tmp_path, *options) == 2
    assert complaint in capsys.readouterr().err


def test_a_page_and_the_terminal_show_the_choice(
    recordings: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    command = ["tune", str(recordings), *HOLDS, "--html", str(page)]
    assert main([*command, "--log-level", "error"]) == 0
    said = capsys.readouterr().out
    assert "as recorded: turn.hold_ms=900" in said
    [starred] = [line for line in said.splitlines() if line.startswith("*")]
    assert "turn.hold_ms=600" in starred
    html = page.read_text(encoding="utf-8")
    assert "Best: turn.hold_ms=600." in html
    for name in ("tried", "recorded", "proposed", "best for so many cut-ins"):
        assert f'"name":"{name}"' in html
    assert 'src="http' not in html
