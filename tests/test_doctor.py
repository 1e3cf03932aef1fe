"""`trioagent doctor` measures real parts and warns; with an NVIDIA card that is played.

What it says of broken parts is in tests/e2e/test_commands.py.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import tomli_w
import trio

from providers.rooms.murmurd import find_murmurd
from tests import helpers_nvidia_smi as smi
from tests.e2e.agents import overrides
from tests.e2e.sse_server import Answer, open_sse_server, says

if TYPE_CHECKING:
    from pathlib import Path

PATIENCE_S = 60.0
ANSWER = says("A microphone turns sound into a signal.", first_s=0.05, token_s=0.01)
DEAF: dict[str, object] = {"asr__model": "./nowhere"}
"""No time for the recognizer."""
SPEEDS = {
    *("voice activity speed", "synthesizer speed"),
    *("recognizer speed", "language model speed"),
}


@attrs.frozen
class Report:
    status: int
    out: str
    err: str

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """By part; each has one."""
        found = [json.loads(line) for line in self.out.splitlines()]
        rows = {row["part"]: row for row in found}
        assert len(rows) == len(found)
        return rows


async def doctor(
    folder: Path, *words: str, environ: dict[str, str] | None = None, **settings: object
) -> Report:
    """Run it, with the tiny recognizer unless `settings` say otherwise."""
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")
    argv = [sys.executable, "-m", "trioagent", "doctor", *words]
    for setting in overrides(folder, **settings):
        argv += ["--set", setting]
    with trio.fail_after(PATIENCE_S):
        done = await trio.run_process(
            argv,
            env={
                **os.environ,
                "XDG_STATE_HOME": str(folder / "state"),
                # A card of this machine would be another test.
                **(environ or {"CUDA_VISIBLE_DEVICES": ""}),
            },
            capture_stdout=True,
            capture_stderr=True,
            check=False,
        )
    report = Report(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in report.err, report.err
    return report


def openai(url: str, **more: object) -> dict[str, object]:
    """Settings for a language model behind HTTP."""
    return {"llm__providers": ["openai"], "llm__openai__base_url": url, **more}


async def test_everything_is_measured(tmp_path: Path) -> None:
    environ = smi.put(tmp_path, smi.T1000, processes=smi.PROCESSES)
    async with open_sse_server(ANSWER) as server:
        server.models = ["tiny-1.2B"]
        began = trio.current_time()
        report = await doctor(tmp_path, "--json", environ=environ, **openai(server.url))
        assert trio.current_time() - began < 20
    assert report.status == 0, report.out + report.err
    rows = report.rows
    assert rows.keys() >= SPEEDS | {"event loop", "CPU threads", "graphics memory"}
    assert {row["level"] for row in rows.values()} <= {"ok", "note", "warning"}
    heard = rows["recognizer speed"]["numbers"]
    assert heard["rtf_alone"] > 0
    assert heard["speakers"] == 2
    # The tiny model knows none of these words too late.
    assert heard["audio_s"] == 3.0
    assert heard["final_ms"] is not None
    said = rows["synthesizer speed"]["numbers"]
    assert said["first_piece_ms"] > 0
    assert 3 < said["audio_s"] < 5
    reply = rows["language model speed"]["numbers"]
    assert reply["first_token_ms"] >= 50
    assert reply["pieces"] == 7
    assert 0 < reply["pieces_per_s"] <= 100
    assert rows["event loop"]["numbers"].keys() == {
        *("idle", "synthesizer", "recognizer", "language model"),
    }
    # The server runs already, so that it is part of what is in use.
    memory = rows["graphics memory"]
    assert memory["numbers"]["total_mib"] == 8192
    assert memory["numbers"]["used_mib"] == 410
    assert memory["numbers"]["wanted_mib"] == 0
    (need,) = [n for n in memory["numbers"]["needs"] if n["part"] == "language model"]
    assert need["model"] == "tiny-1.2B"


async def test_a_slow_language_model_is_a_warning(tmp_path: Path) -> None:
    slow = says("Too late.", first_s=0.9)
    async with open_sse_server(slow) as server:
        report = await doctor(tmp_path, "--json", **openai(server.url), **DEAF)
    assert {p for p, row in report.rows.items() if not row["ok"]} == {"recognizer"}
    row = report.rows["language model speed"]
    assert (row["level"], row["ok"]) == ("warning", True)
    assert row["numbers"]["first_token_ms"] >= 900
    assert "a smaller model" in row["hint"]
    assert "CUDA_VISIBLE_DEVICES" in report.rows["graphics memory"]["detail"] or (
        "nvidia-smi is not installed" in report.rows["graphics memory"]["detail"]
    )


async def test_a_model_that_fails_at_the_measuring_cannot_be_used(
    tmp_path: Path,
) -> None:
    broken = Answer(status=400, error={"error": {"message": "context too short"}})
    async with open_sse_server(broken) as server:
        report = await doctor(tmp_path, **openai(server.url), **DEAF)
    assert report.status == 1
    assert "FAIL language model: " in report.out
    assert "context too short" in report.out


async def test_quick_measures_nothing(tmp_path: Path) -> None:
    async with open_sse_server(ANSWER) as server:
        report = await doctor(tmp_path, "--quick", "--json", **openai(server.url))
        assert server.requests == []
    assert report.status == 0
    assert not report.rows.keys() & (SPEEDS | {"event loop"})
    assert report.rows.keys() >= {"CPU threads", "graphics memory", "room"}


async def test_a_server_that_is_not_up_is_budgeted(tmp_path: Path) -> None:
    environ = smi.put(tmp_path, smi.T1000)
    async with open_sse_server(ANSWER) as server:
        url = server.url
    report = await doctor(
        tmp_path,
        *("--quick", "--json"),
        environ=environ,
        **openai(url, llm__openai__model="some/LFM-1.2B"),
    )
    assert report.status == 1
    assert not report.rows["language model"]["ok"]
    memory = report.rows["graphics memory"]
    assert memory["numbers"]["wanted_mib"] == 2289 + 768
    assert "estimate: 1.2 billion parameters" in memory["detail"]
    assert "--gpu-memory-utilization 0.91 --dtype half" in memory["hint"]


async def test_of_several_agents_all_are_visited_and_what_they_share_once(
    tmp_path: Path,
) -> None:
    agents = [
        {"mumble": {"user": "Robo", "channel": "Games"}},
        {"mumble": {"user": "Miss"}, "tts": {"espeak": {"voice": "nobody-has-this"}}},
    ]
    file = tmp_path / "agents.toml"
    file.write_text(tomli_w.dumps({"agents": agents}))
    report = await doctor(tmp_path, "--quick", "--json", "--config", str(file))
    rows = [json.loads(line) for line in report.out.splitlines()]
    found = [
        (row["part"], row["detail"].partition(":")[0], row["ok"])
        for row in rows
        if row["level"] != "note"
    ]
    assert found == [
        ("voice activity", "Robo", True),
        ("synthesizer", "Robo", True),
        ("recognizer", "Robo", True),
        ("language model", "Robo", True),
        ("room", "Robo", True),
        ("synthesizer", "Miss", False),
        ("room", "Miss", True),
    ], report.err
    assert "/Games, as Robo-doctor" in rows[4]["detail"]
    assert report.status == 1
