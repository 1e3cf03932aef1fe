"""The whole agent, whose recognizer crashes while somebody speaks."""

from __future__ import annotations

import logging
import os
import re
import signal
from typing import TYPE_CHECKING

import pytest
import trio

from providers.rooms.murmurd import find_murmurd
from tests.e2e.agents import (
    converse,
    overrides,
    running_agent,
    transcripts,
)
from tests.helpers_speech import words
from trioagent.configuration.file import load_config

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded server's certificate is kept in the test's own folder."""
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


async def test_a_crash_costs_one_turn(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    given = overrides(tmp_path, llm__providers=["echo"])
    ours = load_config(None, [*given, "asr.sherpa.isolate=true"])
    # The caller understands what it hears with a recognizer of its own.
    theirs = load_config(None, given)
    async with running_agent(ours) as agent, trio.open_nursery() as nursery:
        pid = int(re.findall(r"in process (\d+)", caplog.text)[0])

        async def kill() -> None:
            await agent.until("speech_started")
            await trio.sleep(0.5)
            os.kill(pid, signal.SIGKILL)

        nursery.start_soon(kill)
        (failed,) = await converse(theirs, "what is the weather like in paris tomorrow")
        (answered,) = await converse(theirs, "turn off the fan in the kitchen")
    assert words(failed.transcript or "")[:1] == ["sorry"]
    assert transcripts([answered]) == ["turn off the fan in the kitchen"]
    (error,) = [str(data["error"]) for data in agent.named("provider_failed")]
    assert "ended (signal 9)" in error
    assert [data["kind"] for data in agent.named("outcome")] == ["failed", "answered"]
