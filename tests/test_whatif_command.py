"""`trioagent replay PATH… --set …`, as it is typed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from pathlib import Path

SHORTER = ("--set", "turn.hold_ms=200")


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """A question, and a sentence with a pause of 0.5 s, heard with a hold of 900 ms."""
    for name, script in (("plain", question), ("paused", afterthought)):
        record(tmp_path / name, script, config=holding(900), prepare=quick)
    return tmp_path


def what_if(folder: Path, *more: str) -> int:
    return main(["replay", str(folder), "--jobs", "1", "--log-level", "error", *more])


def rows(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_each_turn_and_the_sums_are_told(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert what_if(recordings, *SHORTER, "--json") == 0
    *turns, recorded, before, after = rows(capsys)
    assert [row["run"] for row in turns].count("recorded") == 2
    assert [row["run"] for row in (recorded, before, after)] == [
        "recorded",
        "before",
        "after",
    ]
    assert before["ttfa"]["p50"] == pytest.approx(recorded["ttfa"]["p50"], abs=5)
    assert before["ttfa"]["p50"] == pytest.approx(900, abs=5)
    assert after["ttfa"]["p50"] == pytest.approx(200, abs=5)
    assert (before["cut_ins"], after["cut_ins"]) == (0, 1)
    assert after["outcomes"] == {"answered": 2, "interrupted": 1}
    [cut] = [row for row in turns if row["cut_in"]]
    assert (cut["run"], cut["said"]) == ("after", "tell me")


def test_the_table_compares_before_and_after(
    recordings: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert what_if(recordings, *SHORTER) == 0
    said = capsys.readouterr().out
    assert "turn.hold_ms=200" in said
    cells = {line.split("  ")[0].strip(): line.split() for line in said.splitlines()}
    assert cells["TTFA p50 ms"][-1].startswith("-70")
    assert cells["cut-ins"][-4:] == ["0", "0", "1", "+1"]


@pytest.mark.parametrize(
    ("override", "complaint"),
    [
        ("asr.model=x", "can be changed live only"),
        ("turn.hold=200", 'did you mean "hold_ms"'),
        ("turn.hold_ms=long", "must be a number"),
        ("turn=200", "is a section"),
        ("turn.hold_ms", "must look like section.key=value"),
    ],
)
def test_settings_that_cannot_be_tried_are_a_wrong_usage(
    recordings: Path,
    capsys: pytest.CaptureFixture[str],
    override: str,
    complaint: str,
) -> None:
    assert what_if(recordings, "--set", override) == 2
    assert complaint in capsys.readouterr().err


def test_a_recording_with_an_unknown_key_is_left_out(
    recordings: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    [file] = (recordings / "plain").rglob("turn.jsonl")
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace('"hold_ms"', '"hold_mss"', 1), encoding="utf-8")
    assert what_if(recordings, *SHORTER, "--json") == 1
    assert rows(capsys)[-1]["recordings"] == 1
    [told] = caplog.messages
    assert "hold_mss: unknown key" in told
    assert str(file.parent) in told


def test_recordings_without_a_reply_have_no_percentiles(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record(tmp_path, question, prepare=deaf)
    assert what_if(tmp_path, *SHORTER) == 0
    assert "ignored" in capsys.readouterr().out
    assert what_if(tmp_path, *SHORTER, "--json") == 0
    assert rows(capsys)[-1]["ttfa"] is None
