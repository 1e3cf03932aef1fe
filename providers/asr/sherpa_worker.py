"""The process of its own that runs the recognizer: `sherpa_child` starts it.

It is a Trio program of one recognizer, which it serves on stdin and stdout, so that
who speaks at once is decoded in one batch here as well. It ends when stdin does, at
whatever it is: an agent that was killed leaves nothing behind.
"""

from __future__ import annotations

import json
import os
import sys

import attrs
import numpy as np
import trio

from providers.asr.sherpa_options import Options
from providers.asr.sherpa_pipe import (
    CLOSE,
    FINISH,
    NO_UTTERANCE,
    REPLY,
    REQUEST,
    Reader,
)
from providers.asr.sherpa_streams import SherpaRecognizer, open_here
from trioagent.errors import ProviderError

Requests = trio.MemorySendChannel[tuple[bytes, bytes]]


@attrs.define(eq=False)
class Worker:
    """A recognizer between its pipes."""

    _replies: trio.abc.SendStream
    _nursery: trio.Nursery
    _sending: trio.Lock = attrs.Factory(trio.Lock)
    _open: dict[int, tuple[Requests, trio.CancelScope]] = attrs.Factory(dict)
    recognizer: SherpaRecognizer | None = None

    async def read(self, reader: Reader) -> None:
        """Take requests until there are no more, then end everything."""
        while (header := await reader.exactly(REQUEST.size)) is not None:
            what, utterance, length = REQUEST.unpack(header)
            audio = await reader.exactly(length)
            if audio is None:
                break
            self._take(what, utterance, audio)
        self._nursery.cancel_scope.cancel()

    def _take(self, what: bytes, utterance: int, audio: bytes) -> None:
        if what == CLOSE:
            if utterance in self._open:
                self._open[utterance][1].cancel()
            confirmed = {"text": ""}
            self._nursery.start_soon(self.reply, NO_UTTERANCE, confirmed, name="close")
            return
        if utterance not in self._open:
            self._begin(utterance)
        # There is room: one request at a time.
        self._open[utterance][0].send_nowait((what, audio))

    async def reply(self, utterance: int, content: dict[str, str]) -> None:
        """Send a reply, all of it even if cancelled: the agent always reads."""
        body = json.dumps(content).encode()
        with trio.CancelScope(shield=True):
            async with self._sending:
                await self._replies.send_all(REPLY.pack(utterance, len(body)) + body)

    def _begin(self, utterance: int) -> None:
        recognizer = self.recognizer
        if recognizer is None:
            raise AssertionError("a request before the model is loaded")
        send, receive = trio.open_memory_channel[tuple[bytes, bytes]](1)
        scope = trio.CancelScope()
        self._open[utterance] = send, scope

        async def hear() -> None:
            try:
                with scope, send, receive:
                    await self._hear(utterance, recognizer, receive)
            finally:
                del self._open[utterance]

        self._nursery.start_soon(hear, name=f"utterance {utterance}")

    async def _hear(
        self,
        utterance: int,
        recognizer: SherpaRecognizer,
        requests: trio.MemoryReceiveChannel[tuple[bytes, bytes]],
    ) -> None:
        async with recognizer.stream() as stream:
            async for what, audio in requests:
                try:
                    text = (
                        await stream.finish()
                        if what == FINISH
                        else await stream.feed(np.frombuffer(audio, dtype=np.int16))
                    )
                except ProviderError as error:
                    await self.reply(utterance, _failure(error))
                    return
                await self.reply(utterance, {"text": text})
                if what == FINISH:
                    return


def _failure(error: ProviderError) -> dict[str, str]:
    return {"error": error.message, "hint": error.hint}


async def serve(options: Options, requests: int, replies: int) -> None:
    """Serve the recognizer on two file descriptors."""
    reader = Reader(trio.lowlevel.FdStream(requests))
    async with trio.lowlevel.FdStream(replies) as out, trio.open_nursery() as nursery:
        worker = Worker(out, nursery)
        nursery.start_soon(worker.read, reader, name="requests")
        try:
            async with open_here(options) as worker.recognizer:
                await worker.reply(NO_UTTERANCE, {"text": worker.recognizer.about})
                await trio.sleep_forever()
        except ProviderError as error:
            await worker.reply(NO_UTTERANCE, _failure(error))
        nursery.cancel_scope.cancel()


def main() -> None:
    """Serve stdin and stdout; the only argument is the options as JSON."""
    requests, replies = os.dup(0), os.dup(1)
    # What a library prints must not get between the replies.
    os.dup2(2, 1)
    given = json.loads(sys.argv[1])
    options = Options(**{**given, "hotwords": tuple(given["hotwords"])})
    trio.run(serve, options, requests, replies)
    # A thread that still decodes must not meet a dying interpreter.
    os._exit(0)


if __name__ == "__main__":
    main()
