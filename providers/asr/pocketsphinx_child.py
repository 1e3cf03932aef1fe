"""The agent's side of one `pocketsphinx_worker`: its process and its pipes.

One request is under way at a time, so the pipe to the child always has room. A caller
that is cancelled leaves a reply behind, which the next one passes over: replies carry
the number of their utterance.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio

from providers.asr.pocketsphinx_worker import ABANDON, NO_UTTERANCE, REPLY, REQUEST
from trioagent.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKER = Path(__file__).with_name("pocketsphinx_worker.py")

# A request is written whole or not at all, even if the caller is cancelled meanwhile.
# It takes microseconds; a child that does not read for so long hangs.
WRITE_TIMEOUT_S = 1.0
# The second pass over an utterance takes about a twelfth of its length.
REPLY_TIMEOUT_S = 30.0
# A killed process is gone within milliseconds, unless the machine is out of breath.
END_TIMEOUT_S = 2.0
READ_BYTES = 4096
MAX_REPLY_BYTES = 1 << 20


@attrs.define(eq=False)
class Child:
    """A running worker."""

    _process: trio.Process
    _requests: trio.abc.SendStream
    _replies: trio.abc.ReceiveStream
    _unread: bytearray = attrs.field(factory=bytearray)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.returncode is None

    async def ask(self, what: bytes, utterance: int, pcm: bytes) -> dict[str, Any]:
        """Return the reply to one request.

        If cancelled, the child works on; its reply is passed over.

        Raises:
            ProviderError: the child ended, hangs, or pocketsphinx raised something.
        """
        await self._send(what, utterance, pcm)
        return await self._receive(utterance)

    async def ready(self) -> None:
        """Wait until the child has loaded its model.

        Raises:
            ProviderError: it could not; or see `ask`.
        """
        await self._receive(NO_UTTERANCE)

    async def abandon(self) -> None:
        """Tell the child to drop its utterance. Does not wait for it to do so."""
        await self._send(ABANDON, NO_UTTERANCE, b"")

    async def end(self) -> None:
        """Kill the child; it holds nothing worth keeping. Safe to cancel and repeat."""
        self._process.kill()
        with trio.move_on_after(END_TIMEOUT_S, shield=True):
            await self._process.wait()
            await self._requests.aclose()
            await self._replies.aclose()

    async def _send(self, what: bytes, utterance: int, pcm: bytes) -> None:
        request = REQUEST.pack(what, utterance, len(pcm)) + pcm
        with trio.move_on_after(WRITE_TIMEOUT_S, shield=True) as scope:
            try:
                await self._requests.send_all(request)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                raise await self._why_it_ended() from None
        if scope.cancelled_caught:
            await self.end()
            raise ProviderError("pocketsphinx hangs: it takes no more audio")

    async def _receive(self, utterance: int) -> dict[str, Any]:
        with trio.move_on_after(REPLY_TIMEOUT_S) as scope:
            await trio.lowlevel.checkpoint()
            while (body := self._take_reply(utterance)) is None:
                await self._read()
        if scope.cancelled_caught or body is None:
            await self.end()
            seconds = f"{REPLY_TIMEOUT_S:.0f} s"
            raise ProviderError(f"pocketsphinx hangs: no answer for {seconds}")
        reply = _read_reply(body)
        if reply is None:
            await self.end()
            raise ProviderError("pocketsphinx sent what is no reply")
        if "error" in reply:
            raise ProviderError(f"pocketsphinx: {reply['error']}")
        return reply

    def _take_reply(self, wanted: int) -> bytes | None:
        """Take replies off `_unread` up to the wanted one; None if it is not there."""
        while len(self._unread) >= REPLY.size:
            utterance, length = REPLY.unpack_from(self._unread)
            if length > MAX_REPLY_BYTES:  # a library has printed into the pipe
                return b""
            end = REPLY.size + length
            if len(self._unread) < end:
                break
            body = bytes(self._unread[REPLY.size : end])
            del self._unread[:end]
            if utterance == wanted:
                return body
        return None

    async def _read(self) -> None:
        try:
            data = await self._replies.receive_some(READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise await self._why_it_ended() from None
        if not data:
            raise await self._why_it_ended()
        self._unread += data

    async def _why_it_ended(self) -> ProviderError:
        await self.end()
        status = self._process.returncode
        how = (
            f"status {status}" if status is None or status >= 0 else f"signal {-status}"
        )
        message = f"pocketsphinx ended unexpectedly ({how})"
        return ProviderError(message, hint="It is started again for the next speech.")


def _read_reply(body: bytes) -> dict[str, Any] | None:
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return reply if isinstance(reply, dict) else None


async def start_child(settings: Mapping[str, Any]) -> Child:
    """Start a worker and wait until it is ready. If cancelled, it is gone.

    Raises:
        ProviderError: it ended, or could not load its model.
        OSError: no process can be started.
    """
    # "-P": else this folder, which has a pocketsphinx.py too, is searched for modules.
    # A session of its own: Ctrl-C is for the agent, which then ends its children. Not
    # PDEATHSIG, which means the parent's thread, and Trio starts processes in threads
    # that do not last; if the agent dies, stdin ends and so does the child.
    process = await trio.lowlevel.open_process(
        [sys.executable, "-P", str(WORKER), json.dumps(dict(settings))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError("a process opened with pipes has none")
    child = Child(process, process.stdin, process.stdout)
    try:
        await child.ready()
    except BaseException:
        with trio.move_on_after(END_TIMEOUT_S, shield=True):
            await child.end()
        raise
    return child
