"""`trioagent latency` as it is typed: what it prints, and how it ends."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers_latency import conversation, ledger, line, older, silent, write
from trioagent.cli import main
from trioagent.latencies.definitions import METRICS, WAITS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def before(tmp_path: Path) -> Path:
    return write(tmp_path / "before.jsonl", conversation(60, seed=1))


@pytest.fixture
def after(tmp_path: Path) -> Path:
    return write(tmp_path / "after.jsonl", conversation(60, seed=2, llm_ms=120))


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("COLUMNS", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str | Path) -> int:
    return main(["latency", *map(str, arguments)])


def rows(printed: str) -> list[dict[str, Any]]:
    return [json.loads(one) for one in printed.splitlines()]


def test_percentiles_of_each_metric_are_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asr = [10, 20, 30, 40, 50]
    lines = [line(n, asr_ms=ms) for n, ms in enumerate(asr)]
    assert run(write(tmp_path / "l.jsonl", [*lines, silent(9)])) == 0
    out = capsys.readouterr().out
    assert re.search(r"ASR +5 +30\.0 +46\.0 +49\.6 +50\.0  █  +█", out)
    assert re.search(r"total turn +6 +4000\.0", out)
    assert "stale audio" not in out, "it never happened"
    assert "outcomes: 5 answered, 1 ignored" in out
    assert "drafts: 12, of them discarded: 6 (30 tokens)" in out
    assert "fullest queues: 3 packets, 2 tokens, 80 ms audio; dropped: 0" in out


def test_the_ledger_is_a_waterfall(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    waits = ledger(endpoint_hold_ms=500, llm_first_token_ms=400, synthesis_ms=100)
    turn = line(4, speaker="[red]Bo", total_ttfa_ms=1000.0, ledger=waits)
    run(write(tmp_path / "l.jsonl", [turn]))
    out = capsys.readouterr().out
    assert "median: 1000.0 ms  turn 4" in out
    assert "[red]Bo" in out, "a name is no markup"
    first, second, third = out.split("median:")[1].splitlines()[1:4]
    assert re.fullmatch(r"  endpoint hold +500\.0 █+[█-▏]?", first)
    assert re.fullmatch(r"  LLM first token +400\.0 +█+[█-▏]?", second)
    assert re.fullmatch(r"  synthesis +100\.0 +█+[█-▏]?", third)
    assert second.index("█") == pytest.approx(len(first), abs=1)
    assert third.index("█") == pytest.approx(len(second), abs=1)
    assert first.count("█") == pytest.approx(5 * third.count("█"), abs=5)
    assert "floor" not in out.split("median:")[1], "nobody waited for it"


def test_all_ledgers_have_one_scale(
    before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(before)
    out = capsys.readouterr().out
    shown = re.findall(r"^(median|worst[^:]*): ([\d.]+) ms", out, re.MULTILINE)
    assert [which for which, _ in shown] == [
        "median", "worst", "worst, no. 2", "worst, no. 3"
    ]  # fmt: skip
    bars = re.findall(r"^  \D+ ([\d.]+) ( *)([█-▏]+)$", out, re.MULTILINE)
    assert len(bars) > 20
    long = [(float(ms), len(bar)) for ms, _, bar in bars if float(ms) > 100]
    per_ms = [length / ms for ms, length in long]
    assert max(per_ms) < 1.4 * min(per_ms)
    narrow = [one for one in out.splitlines() if str(before) not in one]
    assert max(map(len, narrow)) <= 80, "a plain terminal has 80 columns"


@pytest.mark.parametrize("made", [older(), line(ledger=None)])
def test_without_a_ledger_the_rest_is_shown(
    made: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(write(tmp_path / "l.jsonl", [made])) == 0
    out = capsys.readouterr().out
    assert "total TTFA" in out
    assert "no ledger" in out


def test_several_files_are_shown_one_after_the_other(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(after, before) == 0
    out = capsys.readouterr().out
    assert 0 <= out.index(f"{after}  60 turns") < out.index(f"{before}  60 turns")
    assert "medians in ms" not in out


def test_a_comparison_says_what_became_faster(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--compare", before, after) == 0
    compared = capsys.readouterr().out.split("medians in ms")[1]
    assert re.search(r"LLM TTFT .* -\d+\.\d … -\d+\.\d  faster", compared)
    assert re.search(r"LLM first token .* faster", compared)
    assert re.search(r"prebuffer .* no clear difference", compared)
    run("--compare", after, before)
    compared = capsys.readouterr().out.split("medians in ms")[1]
    assert re.search(r"LLM TTFT .* \+\d+\.\d … \+\d+\.\d  slower", compared)


def test_json_has_a_row_per_metric_wait_turn_and_comparison(
    before: Path, after: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--compare", "--json", before, after) == 0
    found = rows(capsys.readouterr().out)
    of_before = [r for r in found if r.get("file") == str(before)]
    keys = {m.key for m in (*METRICS, *WAITS)}
    assert {r["metric"] for r in of_before if "metric" in r} == keys
    for row in of_before:
        if "metric" in row:
            assert row["p50"] <= row["p90"] <= row["p99"] <= row["max"]
            assert row["count"] > 0
    turns = [r for r in of_before if "ledger" in r]
    assert [r["which"] for r in turns][:2] == ["median", "worst"]
    for row in turns:
        assert sum(row["ledger"].values()) == pytest.approx(row["total_ttfa_ms"])
    [totals] = [r for r in of_before if "outcomes" in r]
    assert sum(totals["outcomes"].values()) == totals["turns"] == 60
    compared = {r["compare"]: r for r in found if "compare" in r}
    assert set(compared) == keys
    ttft = compared["llm_ttft_ms"]
    assert ttft["verdict"] == "faster"
    assert ttft["low"] <= ttft["difference"] <= ttft["high"] < 0
    moved = ttft["median_b"] - ttft["median_a"]
    assert ttft["difference"] == pytest.approx(moved, abs=0.002)


def test_a_line_cut_off_is_told_on_stderr(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "l.jsonl", [line(1), line(2)])
    path.write_text(path.read_text(encoding="utf-8")[:-30], encoding="utf-8")
    assert run("--json", path) == 0
    assert f"{path}:2: a line was cut off" in caplog.text


def test_what_cannot_be_read_ends_with_2(
    tmp_path: Path, before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("remember the milk\n", encoding="utf-8")
    binary = tmp_path / "heard.flac"
    binary.write_bytes(b"fLaC\xff\xfe\x00")
    nobody = write(tmp_path / "silent.jsonl", [silent(1), silent(2)])
    table = {
        tmp_path / "none.jsonl": "none.jsonl: No such file",
        tmp_path: "Is a directory",
        text: "notes.txt:1: this is no JSON",
        binary: "heard.flac is not a text file",
        nobody: "silent.jsonl was answered aloud (2 turns)",
    }
    for path, told in table.items():
        # The readable file is shown by nobody: first all are read.
        assert run(before, path) == 2, path
        printed = capsys.readouterr()
        assert told in printed.err
        assert printed.err.startswith("trioagent: ")
        assert printed.out == ""


def test_comparing_takes_two_files(
    before: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for files in ([before], [before] * 3):
        assert run("--compare", *files) == 2
        assert f"two files, not {len(files)}" in capsys.readouterr().err


def test_a_page_is_not_written_over_its_input(
    before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = before.read_bytes()
    link = tmp_path / "link.html"
    link.symlink_to(before)
    for page in (before, link):
        assert run(before, "--html", page) == 2
        assert "would overwrite" in capsys.readouterr().err
    assert before.read_bytes() == content


@pytest.mark.parametrize("place", ["missing/page.html", "."])
def test_a_page_that_cannot_be_written_ends_with_2(
    place: str, before: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(before, "--html", tmp_path / place) == 2
    assert f"cannot write {tmp_path / place}" in capsys.readouterr().err


def test_help_does_not_wait_for_plots() -> None:
    script = """
import sys
from trioagent.cli import main
try:
    main(["latency", "--help"])
except SystemExit as ended:
    assert ended.code == 0
heavy = {"rich", "plotly", "trioagent.latencies.statistics"} & set(sys.modules)
assert not heavy, heavy
"""
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert b"--compare" in done.stdout
