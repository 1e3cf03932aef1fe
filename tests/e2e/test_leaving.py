"""One signal, at every step of the agent's life: it is gone within a second.

Real processes. The promise is 1 s; a busy machine gets more patience here. Every test
prints what it measured: `pytest -rP tests/e2e/test_leaving.py`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from providers.rooms.murmurd import find_murmurd
from tests.e2e.living import (
    PATIENCE_S,
    QUESTION,
    black_hole,
    speak,
    started,
    visited,
)

if TYPE_CHECKING:
    from tests.e2e.murmur import OpenServer

BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])

pytestmark = pytest.mark.skipif(
    find_murmurd() is None, reason="murmurd is not installed"
)


# --- it starts ---------------------------------------------------------------------


@pytest.mark.parametrize("module", ["argparse", "numpy", "trio"])
def test_while_python_imports_it_ends_without_a_word(
    module: str, tmp_path: Path
) -> None:
    # A pipe that nobody writes into: if the signal is late, it is still there to come.
    config = tmp_path / "config.toml"
    os.mkfifo(config)
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "trioagent", "--config", config],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.rpartition("|")[2].strip() == module:
                break
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(PATIENCE_S) == 130
    print(  # noqa: T201 - a measurement
        f"importing, after {module}: {(time.monotonic() - sent) * 1000:.0f} ms"
    )
    assert "Traceback" not in rest
    assert "KeyboardInterrupt" not in rest


@BOTH
async def test_while_a_model_loads_in_a_thread(number: int, tmp_path: Path) -> None:
    with started(tmp_path, asr__provider="slow", asr__model="") as agent:
        await agent.until(lambda told: told["state"] == "starting")
        await trio.sleep(0.3)
        await agent.leaves("a model loads for 5 s", number)


@pytest.mark.parametrize("after_s", [0.0, 0.15, 0.45])
async def test_between_the_parts_that_open(after_s: float, tmp_path: Path) -> None:
    with started(tmp_path) as agent:
        await agent.until(lambda told: told["state"])
        await trio.sleep(after_s)
        await agent.leaves(f"starting, after {after_s} s")


async def test_in_a_tls_handshake_that_nobody_answers(tmp_path: Path) -> None:
    async with black_hole() as (port, came):
        where = {"mumble__server": "127.0.0.1", "mumble__port": port}
        with started(tmp_path, **where) as agent:
            with trio.fail_after(PATIENCE_S):
                await came.wait()
            await trio.sleep(0.1)
            await agent.leaves("the server's handshake never comes")


async def test_while_it_reconnects(tmp_path: Path, murmur_server: OpenServer) -> None:
    async with murmur_server() as server:
        where = {"mumble__server": server.host, "mumble__port": server.port}
        with started(tmp_path, **where) as agent:
            await agent.until(lambda told: told["state"] == "listening")
            await server.kill()
            await agent.until(lambda told: told["state"] == "reconnecting")
            await agent.leaves("reconnecting")


# --- it lives ------------------------------------------------------------------------


async def test_while_nothing_happens(tmp_path: Path) -> None:
    isolated = {"asr__sherpa__isolate": True, "journal__log_format": "json"}
    async with visited(tmp_path, **isolated) as (agent, _):
        told = await agent.ask_as_people_do()
        assert (told["healthy"], told["state"]) == (True, "listening")
        await agent.leaves("idle, the recognizer in its own process", signal.SIGINT)
        for line in agent.log.splitlines():
            assert {"time", "level", "logger", "message"} <= set(json.loads(line))
        assert len(agent.family) == 2


async def test_while_somebody_speaks(tmp_path: Path) -> None:
    recorded = {"recording__folder": str(tmp_path / "recordings")}
    async with (
        visited(tmp_path, **recorded) as (agent, room),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(partial(speak, room, QUESTION * 3))
        await agent.doing("listening")
        await agent.leaves("listening, recorded")
        nursery.cancel_scope.cancel()


async def test_while_the_language_model_is_silent(tmp_path: Path) -> None:
    async with black_hole() as (port, came):
        llm = {
            "llm__providers": ["openai"],
            "llm__openai__base_url": f"http://127.0.0.1:{port}/v1",
            "llm__openai__model": "m",
        }
        async with visited(tmp_path, **llm) as (agent, room):
            await speak(room)
            await agent.doing("thinking")
            await agent.leaves("thinking, the language model hangs")
        assert came.is_set()


async def test_while_it_speaks(tmp_path: Path) -> None:
    recorded = {"recording__folder": str(tmp_path / "recordings")}
    async with visited(tmp_path, **recorded) as (agent, room):
        await speak(room)
        await agent.doing("speaking")
        await agent.leaves("speaking, recorded")


async def test_while_it_holds_its_breath(tmp_path: Path) -> None:
    patient = {"barge_in__confirm_ms": 5000, "barge_in__min_words": 20,
               "barge_in__urgent": []}  # fmt: skip
    async with visited(tmp_path, **patient) as (agent, room):
        await speak(room, QUESTION * 2)
        await agent.doing("speaking")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak, room)
            await agent.until(lambda told: told["floor"] and told["floor"]["ducked"])
            await agent.leaves("ducked")
            nursery.cancel_scope.cancel()


async def test_while_a_thread_hangs(tmp_path: Path) -> None:
    hung = {"asr__provider": "hung", "asr__model": ""}
    async with (
        visited(tmp_path, **hung) as (agent, room),
        trio.open_nursery() as nursery,
    ):
        nursery.start_soon(speak, room)
        await agent.doing("listening")
        await trio.sleep(0.3)
        await agent.leaves("the recognizer's thread hangs for 60 s")
        nursery.cancel_scope.cancel()


async def test_the_recognizers_own_processes_end(tmp_path: Path) -> None:
    pocketsphinx = {"asr__provider": "pocketsphinx", "asr__model": ""}
    async with visited(tmp_path, **pocketsphinx) as (agent, room):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(speak, room)
            await agent.doing("listening")
            await agent.leaves("pocketsphinx listens in its own process")
            nursery.cancel_scope.cancel()
        assert len(agent.family) >= 2


# --- it ends its sentence ------------------------------------------------------------


async def test_finish_lets_it_end_its_sentence(tmp_path: Path) -> None:
    async with visited(tmp_path, agent__on_stop="finish") as (agent, room):
        await speak(room, "one two three four five six seven eight nine ten")
        await agent.doing("speaking")
        agent.process.send_signal(signal.SIGTERM)
        await agent.until(lambda told: told["state"] == "leaving")
        status = await trio.to_thread.run_sync(agent.process.wait, PATIENCE_S)
    assert status == 0, agent.log
    assert "Traceback" not in agent.log


@BOTH
async def test_a_second_signal_does_not_wait_for_that(
    number: int, tmp_path: Path
) -> None:
    async with visited(tmp_path, agent__on_stop="finish") as (agent, room):
        await speak(room, "one two three four five six seven eight nine ten")
        await agent.doing("speaking")
        agent.process.send_signal(signal.SIGTERM)
        await agent.until(lambda told: told["state"] == "leaving")
        sent = time.monotonic()
        agent.process.send_signal(number)
        status = await trio.to_thread.run_sync(agent.process.wait, PATIENCE_S)
        took_s = time.monotonic() - sent
        print(f"second signal: {took_s * 1000:.0f} ms")  # noqa: T201 - a measurement
        assert status == -number


# --- what else ends it ---------------------------------------------------------------


async def test_a_terminal_that_is_gone(tmp_path: Path) -> None:
    # Under nohup it is ignored, and so it would be by what we start.
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    with started(tmp_path) as agent:
        signal.signal(signal.SIGHUP, before)
        await agent.until(lambda told: told["state"] == "listening")
        await agent.leaves("the terminal is closed", signal.SIGHUP)


async def test_systemd_hears_all_of_it(tmp_path: Path) -> None:
    with closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE_S)
        environ = {
            "NOTIFY_SOCKET": str(tmp_path / "notify"),
            "WATCHDOG_USEC": "1000000",
        }
        with pytest.MonkeyPatch.context() as patch:
            for key, value in environ.items():
                patch.setenv(key, value)
            with started(tmp_path / "agent") as agent:
                told: list[str] = []
                while not any(line.startswith("READY=1") for line in told):
                    told.append(manager.recv(4096).decode())
                assert "WATCHDOG=1" in told or manager.recv(4096) == b"WATCHDOG=1"
                await agent.leaves("as a service")
    assert told[0] == "STATUS=starting"
    assert "listening in 127.0.0.1" in told[-1]
