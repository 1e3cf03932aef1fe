"""The agent's side of one `sherpa_worker`: its process and its pipes."""

from __future__ import annotations

import contextlib
import json
import math
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import attrs
import trio

from providers.asr.sherpa_pipe import (
    CLOSE,
    MAX_REPLY_BYTES,
    NO_UTTERANCE,
    REPLY,
    REQUEST,
    Reader,
    read_reply,
)
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from providers.asr.sherpa_options import Options

# A request is written whole, even if its caller is cancelled meanwhile. The process
# always reads; if it does not for so long, it hangs.
WRITE_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 30.0
CLOSE_TIMEOUT_S = 3.0
END_TIMEOUT_S = 2.0
NEXT_HINT = "It is started again for the next speech."


@attrs.define(eq=False)
class _Answer:
    """What one caller waits for."""

    came: trio.Event = attrs.Factory(trio.Event)
    reply: dict[str, str] | None = None


class Child:
    """A running worker. `run` must run as long as anybody asks something."""

    def __init__(self, process: trio.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise AssertionError("a process opened with pipes has none")
        self._process = process
        self._requests = process.stdin
        self._replies = process.stdout
        self._reader = Reader(process.stdout)
        self._sending = trio.Lock()
        self._waiting: dict[int, _Answer] = {}
        # Until when it has to show that it lives; a caller may not wait for that.
        self._patience = trio.CancelScope()
        self.ended = False
        self._hangs = False
        self.about = ""

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    async def ready(self) -> None:
        """Wait until the model is loaded.

        Raises:
            ProviderUnavailable: it cannot be.
        """
        _, reply = await self._next_reply() or (NO_UTTERANCE, None)
        if reply is None:
            await self.end()
            message = f"sherpa: while loading, {self._how_it_ended()}"
            raise ProviderUnavailable(message, hint="Its last words are on stderr.")
        if "error" in reply:
            raise ProviderUnavailable(reply["error"], hint=reply["hint"])
        self.about = reply["text"]

    async def run(self) -> None:
        """Hand out replies until the process has ended."""
        with self._patience:
            while (found := await self._next_reply()) is not None:
                self._patience.deadline = math.inf
                utterance, reply = found
                # Who was cancelled does not wait any more.
                if utterance in self._waiting:
                    self._waiting[utterance].reply = reply
                    self._waiting[utterance].came.set()
        self._hangs = self._hangs or self._patience.cancelled_caught
        await self.end()
        for answer in self._waiting.values():
            answer.came.set()

    async def ask(self, what: bytes, utterance: int, audio: bytes) -> str:
        """Return the text that one request is answered with.

        If cancelled, the process works on until it is told to close the utterance.

        Raises:
            ProviderError: the process ended or hangs, or recognition failed.
        """
        answer = self._waiting[utterance] = _Answer()
        try:
            await self._send(what, utterance, audio)
            with trio.move_on_after(REPLY_TIMEOUT_S) as scope:
                await answer.came.wait()
        finally:
            del self._waiting[utterance]
        if scope.cancelled_caught:
            self._hangs = True
            await self.end()
        if answer.reply is None:
            raise self.error()
        if "error" in answer.reply:
            raise ProviderError(answer.reply["error"], hint=answer.reply["hint"])
        return answer.reply["text"]

    async def close(self, utterance: int) -> None:
        """Have an utterance dropped that is not finished.

        That is where a caller goes who waits no more for a process that hangs: one
        that does not confirm is ended, for those who come next.
        """
        await trio.lowlevel.checkpoint()
        if not self.ended:
            await self._send(CLOSE, utterance, b"")
            confirmed_by = trio.current_time() + CLOSE_TIMEOUT_S
            self._patience.deadline = min(self._patience.deadline, confirmed_by)

    async def end(self) -> None:
        """Kill the process; it holds nothing worth keeping. Safe to repeat."""
        self.ended = True
        self._process.kill()
        # Cleaning up is quick, and done even if the caller is cancelled.
        with trio.move_on_after(END_TIMEOUT_S, shield=True):
            await self._process.wait()
            await self._requests.aclose()
            await self._replies.aclose()

    async def _send(self, what: bytes, utterance: int, audio: bytes) -> None:
        await trio.lowlevel.checkpoint()
        request = REQUEST.pack(what, utterance, len(audio)) + audio
        sent = False
        with (
            contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError),
            trio.move_on_after(WRITE_TIMEOUT_S, shield=True) as scope,
        ):
            async with self._sending:
                await self._requests.send_all(request)
                sent = True
        if not sent:
            self._hangs = scope.cancelled_caught
            await self.end()
            raise self.error()

    async def _next_reply(self) -> tuple[int, dict[str, str]] | None:
        await trio.lowlevel.checkpoint()
        utterance, body = NO_UTTERANCE, None
        with contextlib.suppress(trio.BrokenResourceError, trio.ClosedResourceError):
            if (header := await self._reader.exactly(REPLY.size)) is not None:
                utterance, length = REPLY.unpack(header)
                if length <= MAX_REPLY_BYTES:
                    body = await self._reader.exactly(length)
        reply = None if body is None else read_reply(body)
        return None if reply is None else (utterance, reply)

    def error(self) -> ProviderError:
        """What to raise now that it has ended."""
        return ProviderError(f"sherpa: {self._how_it_ended()}", hint=NEXT_HINT)

    def _how_it_ended(self) -> str:
        if self._hangs:
            return "the recognizer's process hung and was ended"
        status = self._process.returncode
        how = f"status {status}"
        if status is not None and status < 0:
            how = f"signal {-status}"
        return f"the recognizer's process ended ({how})"


async def start_child(options: Options) -> Child:
    """Start a process and wait until its model is loaded. If cancelled, it is gone.

    Raises:
        ProviderUnavailable: it cannot be started, or cannot load the model.
    """
    given: dict[str, Any] = attrs.asdict(options)
    # "-P": else the folder we are in is searched for modules. Its own session: Ctrl-C
    # is for the agent, which then ends it. If the agent dies, stdin ends, and so does
    # the process.
    command = [sys.executable, "-P", "-m", "providers.asr.sherpa_worker"]
    paths = os.pathsep.join(filter(None, sys.path))
    try:
        process = await trio.lowlevel.open_process(
            [*command, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": paths},
        )
    except OSError as error:
        message = f"sherpa: no process for the recognizer: {error}"
        raise ProviderUnavailable(message) from error
    child = Child(process)
    try:
        await child.ready()
    except BaseException:
        with trio.move_on_after(END_TIMEOUT_S, shield=True):
            await child.end()
        raise
    return child
