"""An agent in a process of its own, asked by its status socket what it does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
import trio

from tests.e2e.agents import agent_config, free_port, overrides
from tests.e2e.hanging_parts import install
from tests.helpers_speech import say
from trioagent.app import open_room
from trioagent.interfaces import FRAME_S, HEARING_RATE_HZ, Room
from trioagent.supervision.local_socket import NobodyAnswers, ask

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

BOUND_S = 2.5
PATIENCE_S = 30.0
QUESTION = "one two three four five"


@attrs.define(eq=False)
class Living:
    """An agent in a process of its own."""

    process: subprocess.Popen[str]
    folder: Path
    family: set[int] = attrs.Factory(set)

    @property
    def log(self) -> str:
        return (self.folder / "agent.err").read_text()

    async def status(self) -> dict[str, Any]:
        path = self.folder / "status.socket"
        try:
            return await trio.to_thread.run_sync(partial(ask, path))
        except NobodyAnswers:
            return {"state": "", "turns": [], "floor": None}

    async def ask_as_people_do(self) -> dict[str, Any]:
        words = ["status", "--socket", str(self.folder / "status.socket"), "--json"]
        done = await trio.run_process(
            [sys.executable, "-m", "trioagent", *words],
            capture_stdout=True,
            cwd=Path(__file__).parents[2],
        )
        told: dict[str, Any] = json.loads(done.stdout)
        return told

    async def until(self, condition: Callable[[dict[str, Any]], object]) -> None:
        """Wait until its own status says so."""
        with trio.move_on_after(PATIENCE_S):
            while not condition(await self.status()):
                assert self.process.poll() is None, self.log
                await trio.sleep(0.02)
            return
        pytest.fail(f"{await self.status()}\n{self.log}")

    async def doing(self, stage: str) -> None:
        await self.until(lambda told: stage in [t["stage"] for t in told["turns"]])

    async def leaves(self, step: str, number: int = signal.SIGTERM) -> float:
        """Send a signal; return how long it took to end, with status 0."""
        self.family = children(self.process.pid)
        sent = time.monotonic()
        self.process.send_signal(number)
        status = await trio.to_thread.run_sync(self.process.wait, PATIENCE_S)
        took_s = time.monotonic() - sent
        measured = f"{step}: {took_s * 1000:.0f} ms, {len(self.family)} children"
        print(measured)  # noqa: T201 - for who asks with -s
        assert status == 0, self.log
        assert took_s < BOUND_S, self.log
        assert "Traceback" not in self.log, self.log
        assert [pid for pid in self.family if alive(pid)] == []
        assert not (self.folder / "status.socket").exists()
        return took_s


def children(pid: int) -> set[int]:
    found: set[int] = set()
    for file in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text().split()):
            found |= {child, *children(child)}
    return found


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


@contextmanager
def started(folder: Path, **keys: object) -> Iterator[Living]:
    """Run the agent; keys as for `overrides`."""
    folder.mkdir(exist_ok=True)
    keys = {"status__socket": str(folder / "status.socket"), **keys}
    words = [w for key in overrides(folder, **keys) for w in ("--set", key)]
    path = [str(install(folder / "parts")), str(Path(__file__).parents[2])]
    environ = {"XDG_STATE_HOME": str(folder), "PYTHONPATH": os.pathsep.join(path)}
    with (
        (folder / "agent.err").open("w") as err,
        subprocess.Popen(
            [sys.executable, "-m", "trioagent", *words],
            cwd=folder,
            env={**os.environ, **environ},
            stdout=subprocess.DEVNULL,
            stderr=err,
            text=True,
        ) as process,
    ):
        try:
            yield Living(process, folder)
        finally:
            process.kill()


@asynccontextmanager
async def visited(folder: Path, **keys: object) -> AsyncIterator[tuple[Living, Room]]:
    """Run the agent with somebody in its room."""
    keys = {"mumble__port": free_port(), **keys}
    config = agent_config(folder, mumble__user="Ana", mumble__comment="", **keys)
    with started(folder, **keys) as agent:
        await agent.until(lambda told: told["state"] == "listening")
        state = os.environ.get("XDG_STATE_HOME")
        os.environ["XDG_STATE_HOME"] = str(folder)
        try:
            async with open_room(config.mumble) as room:
                yield agent, room
        finally:
            os.environ.pop("XDG_STATE_HOME")
            if state is not None:
                os.environ["XDG_STATE_HOME"] = state


async def speak(room: Room, text: str = QUESTION, *, end: bool = True) -> None:
    """Say it in real time, from the recognizer's rate."""
    rate_hz = room.frame_rate_hz(HEARING_RATE_HZ)
    assert rate_hz == HEARING_RATE_HZ
    pcm = np.concatenate([say(text), np.zeros(HEARING_RATE_HZ // 10, np.int16)])
    size, start = int(rate_hz * FRAME_S), trio.current_time()
    for index in range(len(pcm) // size):
        await trio.sleep_until(start + index * FRAME_S)
        last = end and index == len(pcm) // size - 1
        room.write(pcm[index * size :][:size], rate_hz, last=last)


@asynccontextmanager
async def black_hole() -> AsyncIterator[tuple[int, trio.Event]]:
    """A server that takes connections and never says anything."""
    came = trio.Event()

    async def swallow(stream: trio.SocketStream) -> None:
        came.set()
        async for _ in stream:
            pass

    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, swallow, 0, host="127.0.0.1")
        (listener,) = await nursery.start(serve)
        yield listener.socket.getsockname()[1], came
        nursery.cancel_scope.cancel()
