"""`trioagent replay PATH…`: what it prints, and its exit code."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers_replay import Row, edit, record, recordings
from tests.replay_stories import interrupted_by_another, two_turns
from trioagent.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recordings with four turns."""
    folder = tmp_path_factory.mktemp("kept")
    record(folder / "a", two_turns)
    record(folder / "b", interrupted_by_another)
    return folder


@pytest.fixture
def spoilt(tmp_path: Path) -> Path:
    """A turn that goes another way, one that cannot be read, and a good one."""
    record(tmp_path / "a", two_turns)
    first, _second = recordings(tmp_path / "a")
    edit(first.path, misheard)
    record(tmp_path / "b", two_turns)
    third, _ = recordings(tmp_path / "b")
    (third.path / "turn.jsonl").write_text("no recording\n")
    return tmp_path


def misheard(rows: list[Row]) -> list[Row]:
    return [
        {**row, "text": "what rhyme"} if row.get("what") == "finished" else row
        for row in rows
    ]


def replay(*arguments: object) -> int:
    return main(["replay", "--jobs", "1", *map(str, arguments)])


def test_what_goes_as_it_went_is_good(kept: Path, capsys: Any) -> None:
    assert replay(kept) == 0
    assert capsys.readouterr().out == "4 of 4 turns identical\n"


def test_json_has_a_row_for_each_turn(kept: Path, capsys: Any) -> None:
    assert replay("--json", kept) == 0
    out, err = capsys.readouterr()
    assert err == ""
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["turn"] for row in rows] == [1, 2, 1, 2]
    assert [row["speaker"] for row in rows] == ["Ana", "Ana", "Ana", "Ben"]
    for row in rows:
        assert row["identical"]
        assert row["difference"] is None
        assert row["events"] > 5
        assert row["furthest_ms"] < 20
        assert (Path(row["recording"]) / "turn.jsonl").is_file()


def test_a_difference_is_told_and_the_rest_goes_on(
    spoilt: Path, capsys: Any, caplog: Any
) -> None:
    assert replay(spoilt) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0].endswith("turn 1 (Ana): another event")
    # What was the same until then, and what was not.
    assert [line.startswith("      ") for line in out[1:-1]] == [True] * 4 + [False] * 2
    assert out[5].endswith(" s final text='what time is it'")
    assert out[5].startswith("  then ")
    assert out[6].endswith(" s partial text='what rhyme'")
    assert out[6].startswith("  now ")
    assert out[-1] == "2 of 3 turns identical, 1 recordings cannot be used"
    (error,) = [r.message for r in caplog.records if r.levelname == "ERROR"]
    assert "turn.jsonl: line 1" in error


def test_differences_as_json(spoilt: Path, capsys: Any) -> None:
    assert replay("--json", spoilt) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["identical"] for row in rows] == [False, True, True]
    difference = rows[0]["difference"]
    assert difference["what"].startswith("another")
    assert difference["recorded"] != difference["now"]
    assert {"t", "name", "data"} == difference["recorded"].keys()


def test_a_cut_off_recording_is_told_and_good(
    tmp_path: Path, capsys: Any, caplog: Any
) -> None:
    record(tmp_path, two_turns)
    edit_lines(recordings(tmp_path)[0].path, lambda lines: lines[:60])
    assert replay(tmp_path) == 0
    assert capsys.readouterr().out == "2 of 2 turns identical\n"
    (warning,) = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert "cut off after" in warning


def edit_lines(path: Path, change: Callable[[list[str]], list[str]]) -> None:
    file = path / "turn.jsonl"
    file.write_text("".join(change(file.read_text().splitlines(keepends=True))))


def test_settings_of_another_version_cost_that_recording(
    tmp_path: Path, capsys: Any, caplog: Any
) -> None:
    record(tmp_path, two_turns)
    first = recordings(tmp_path)[0].path

    def older(rows: list[Row]) -> list[Row]:
        rows[0]["config"]["turn"]["patience_ms"] = 3
        return rows

    edit(first, older)
    assert replay(tmp_path) == 1
    assert capsys.readouterr().out.startswith("1 of 1 turns identical, 1 rec")
    assert f"{first}: turn.patience_ms" in caplog.text


def test_nothing_to_run_is_usage(tmp_path: Path, capsys: Any, caplog: Any) -> None:
    assert replay(tmp_path) == 2
    assert replay(tmp_path / "missing") == 2
    assert "holds no recording" in caplog.text
    assert "no such folder" in caplog.text
    with pytest.raises(SystemExit) as caught:
        main(["replay"])
    assert caught.value.code == 2


def test_a_path_that_is_none_fails_but_the_rest_goes_on(
    kept: Path, tmp_path: Path, capsys: Any
) -> None:
    assert replay(kept, tmp_path / "missing") == 1
    assert "4 of 4 turns identical" in capsys.readouterr().out


# --- other processes -------------------------------------------------------------


def started(*arguments: object, **environ: str) -> list[object]:
    """Run the command in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "trioagent", "replay", *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environ},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return [done.returncode, done.stdout, done.stderr]


def test_neither_jobs_nor_hashes_change_the_output(kept: Path) -> None:
    one = started("--json", "--jobs", 1, kept, PYTHONHASHSEED="1")
    assert one[0] == 0
    assert str(one[1]).count("\n") == 4
    assert one[2] == ""
    assert started("--json", "--jobs", 2, kept, PYTHONHASHSEED="2") == one


def test_the_output_is_not_where_the_bar_is(kept: Path) -> None:
    """Somebody looks at the bar, and the output goes into a file."""
    ours, terminal = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "trioagent", "replay", "--jobs", "1", "--json", kept],
        env={**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm"},
        stdout=subprocess.PIPE,
        stderr=terminal,
        timeout=120,
        check=False,
    )
    os.close(terminal)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)
    assert done.returncode == 0
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 4
    assert "replaying" in shown
    assert "identical" not in shown
