"""Servers in processes of their own: killed, stopped, and back on their port."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from tests.helpers_speech import TINY_MODEL

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator

READY_S = 60.0
# Below the ports that Linux gives to outgoing connections.
_PORTS = range(12_000, 19_000)


@attrs.define(eq=False)
class Program:
    """A server; it is ready when it has written a line."""

    arguments: tuple[str, ...]
    port: int
    _nursery: trio.Nursery
    _process: trio.Process | None = None

    async def start(self) -> None:
        """Start it on its port; return when it is ready."""
        run = partial(trio.run_process, stdout=subprocess.PIPE, check=False)
        self._process = await self._nursery.start(
            run, [sys.executable, "-m", *self.arguments]
        )
        assert self._process is not None
        assert self._process.stdout is not None
        with trio.fail_after(READY_S):
            if not await self._process.stdout.receive_some():
                raise RuntimeError(f"it ended at once: {' '.join(self.arguments)}")

    async def kill(self) -> None:
        """End it by SIGKILL."""
        await trio.lowlevel.checkpoint()
        if self._process is not None:
            self._process.kill()
            with trio.fail_after(READY_S):
                await self._process.wait()
            self._process = None

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process is not None
        self._process.send_signal(number)


@asynccontextmanager
async def program(port: int, *arguments: str) -> AsyncIterator[Program]:
    """Run a module as a server as long as the block runs."""
    async with trio.open_nursery() as nursery:
        started = Program(arguments, port, nursery)
        try:
            await started.start()
            yield started
        finally:
            with trio.CancelScope(shield=True):  # bounded: SIGKILL ends it
                await started.kill()
            nursery.cancel_scope.cancel()


def free_port(number: int) -> int:
    """A port that is free now; with other numbers, others."""
    for port in (*_PORTS[number % len(_PORTS) :], *_PORTS):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def recognizer_arguments(port: int) -> tuple[str, ...]:
    """A Wyoming server with a real recognizer."""
    model = f"asr.sherpa.model={TINY_MODEL}"
    uri = f"tcp://127.0.0.1:{port}"
    command = ("trioagent", "serve", "asr", "--provider", "sherpa")
    return (*command, "--set", model, "--json", "--uri", uri)


def model_arguments(port: int) -> tuple[str, ...]:
    """An HTTP server that answers as `replies` says."""
    return ("tests.e2e.faults.replies", "--port", str(port))
