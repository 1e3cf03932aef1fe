"""Turns recorded on a real server, run again in this process and in others."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import sys
import time
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from providers.rooms.murmurd import find_murmurd
from tests.e2e.agents import converse, overrides
from tests.e2e.recorded_turns import record_turns
from trioagent.cli.replay_again import SEEDS
from trioagent.configuration.file import load_config
from trioagent.recording.reader import find, load
from trioagent.replay.again import again
from trioagent.replay.compare import TurnResult, compare
from trioagent.replay.settings import recorded_config

if TYPE_CHECKING:
    from trioagent.recording.recording import Recording

# On a machine that stalls for so long, an event's time says nothing.
STALL_S = 0.5
KEPT = Path(__file__).parents[1] / "recordings"
# Twice the half second that may be lost, for a machine that is busy.
LOST_S = 1.0
# Two thirds of a second of speech, in bytes.
WANTED = 2 * 16_000
LONG = "i live in london and the meeting with bob is on monday and it is cold in paris"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded server's certificate is kept in the test's own folder."""
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


async def test_twenty_turns_of_all_kinds_run_again_as_they_were(tmp_path: Path) -> None:
    folder = tmp_path / "recordings"
    await record_turns(folder)
    recordings = [load(path) for path in find([folder])]
    outcomes = Counter(
        recording.events(turn)[-1].data["kind"]
        for recording in recordings
        for turn in recording.turns
    )
    assert outcomes.total() >= 20
    assert outcomes["answered"] > 10
    assert outcomes["interrupted"] >= 2
    assert outcomes["ignored"] >= 2
    assert outcomes["failed"] >= 1
    for recording in recordings:
        assert recording.complete
        assert not recording.warnings
    results = await trio.to_thread.run_sync(
        lambda: [result for recording in recordings for result in _again(recording)]
    )
    assert [r for r in results if not r.identical] == []


def _again(recording: Recording) -> list[TurnResult]:
    """As `trioagent replay` does: with other seeds, if the first goes another way."""
    config = recorded_config(recording)
    tries = (
        compare(recording, again(recording, config, seed), STALL_S) for seed in SEEDS
    )
    first = next(tries)
    if all(result.identical for result in first):
        return first
    good = (x for x in tries if all(result.identical for result in x))
    return next(good, first)


@pytest.mark.parametrize("seed", ["0", "1", "random"])
def test_the_kept_turns_run_again_in_another_process(seed: str) -> None:
    # Recorded by another Python on another day.
    command = [sys.executable, "-m", "trioagent", "replay", str(KEPT), "--json"]
    environ = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        command, env=environ, capture_output=True, text=True, check=False
    )
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row for row in rows if not row["identical"]] == []
    assert done.returncode == 0, done.stderr
    assert len(rows) >= 20


async def test_what_was_recorded_before_a_kill_runs_again(tmp_path: Path) -> None:
    """Up to the last half second."""
    folder = tmp_path / "recordings"
    options = overrides(tmp_path, recording__folder=str(folder))
    command = [sys.executable, "-m", "trioagent", "--json"]
    command += [word for text in options for word in ("--set", text)]
    agent = await trio.lowlevel.open_process(command, stdout=subprocess.PIPE)
    async with agent.stdout, trio.open_nursery() as nursery:
        assert b"ready" in await agent.stdout.receive_some()
        talk = partial(converse, load_config(None, options), LONG)
        nursery.start_soon(talk, name="talk")
        with trio.fail_after(30):
            while _bytes(folder, "spoken.pcm") < WANTED:  # noqa: ASYNC110 - another process writes it
                await trio.sleep(0.05)
        killed = time.time()
        agent.kill()
        # Before the caller notices that its room is gone.
        nursery.cancel_scope.cancel()
    await agent.wait()
    (path,) = find([folder])
    recording = load(path)
    assert not recording.complete
    assert recording.warnings
    began = datetime.datetime.fromisoformat(recording.header.label).timestamp()
    assert began + recording.length_s > killed - LOST_S
    results = await trio.to_thread.run_sync(_again, recording)
    assert [r for r in results if not r.identical] == []


def _bytes(folder: Path, name: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(f"*/{name}"))
