"""`trioagent serve` in a process of its own, to be killed."""

from __future__ import annotations

import json
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

START_TIMEOUT_S = 30


@attrs.frozen(eq=False)
class Serving:
    """The process, and where it serves."""

    uri: str
    process: trio.Process

    async def end(self, number: signal.Signals) -> int:
        """Send a signal; return the exit status."""
        self.process.send_signal(number)
        with trio.fail_after(10):
            return await self.process.wait()


@asynccontextmanager
async def serving(
    *arguments: str, uri: str = "tcp://127.0.0.1:0"
) -> AsyncIterator[Serving]:
    """Run `trioagent serve`; the block begins when it is ready."""
    command = [sys.executable, "-m", "trioagent", "serve", *arguments]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, stdout=subprocess.PIPE, check=False)
        process: trio.Process = await nursery.start(
            run, [*command, "--json", "--uri", uri]
        )
        try:
            assert process.stdout is not None
            with trio.fail_after(START_TIMEOUT_S):
                line = await process.stdout.receive_some()
            yield Serving(json.loads(line)["uri"], process)
        finally:
            if process.returncode is None:
                process.kill()


RECOGNIZER = ("asr", "--provider", "sherpa", "--set", f"asr.sherpa.model={TINY_MODEL}")
SYNTHESIZER = ("tts", "--provider", "espeak")
