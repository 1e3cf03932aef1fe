"""A server of /audio/speech over real sockets, which does what a script says.

What it says is tones, one per character, so that every phrase has its own sound. By
hand: `python -m tests.contract.speech_server --port 8880`.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import attrs
import h11
import numpy as np
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RATE_HZ = 24_000
CHARACTER_S = 0.02
UNKNOWN_SIZE = 0xFFFFFFFF


class _BrokenOffError(Exception):
    """The connection ended before the answer did."""


@attrs.frozen(kw_only=True)
class Answer:
    """What the server does with one request.

    Attributes:
        status: Other than 200: `body` is all of the answer.
        body: Sent instead of speech.
        content_type: None is the right one.
        wav: With the header of a WAV file in front.
        wav_size: What that says of the length; None is the truth.
        rate_hz, channels: Of the speech.
        cut_bytes: Write the body in parts of so many bytes.
        headers_delay_s, part_delay_s: Before the answer, and before each part.
        ending: All of it; the connection closed, or nothing more, in the middle; more
            and more; or half a sample more.
        hang_up: Close the connection instead of answering.
    """

    status: int = 200
    body: bytes | None = None
    content_type: str | None = None
    wav: bool = False
    wav_size: int | None = None
    rate_hz: int = RATE_HZ
    channels: int = 1
    cut_bytes: int = 4_800
    headers_delay_s: float = 0.0
    part_delay_s: float = 0.0
    ending: Literal["full", "cut", "stall", "endless", "half"] = "full"
    hang_up: bool = False


Script = Answer | Sequence[Answer] | Callable[[dict[str, Any]], Answer]


def tones(text: str, rate_hz: int = RATE_HZ) -> np.ndarray:
    """What the server says for `text`."""
    time_s = np.arange(round(CHARACTER_S * rate_hz)) / rate_hz
    parts = [
        8_000 * np.sin(2 * np.pi * (200 + 10 * (ord(character) % 100)) * time_s)
        for character in text
    ]
    return np.concatenate(parts or [np.zeros(0)]).astype(np.int16)


def wav_header(rate_hz: int, channels: int, size: int) -> bytes:
    """With a chunk that nobody needs, as some programs write them."""
    block = 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * block, block, 16)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form
    chunks += b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    return (
        b"RIFF"
        + struct.pack("<I", size)
        + b"WAVE"
        + chunks
        + b"data"
        + struct.pack("<I", size)
    )


def speech_bytes(text: str, answer: Answer) -> bytes:
    """The body that goes with `text`."""
    pcm = np.repeat(tones(text, answer.rate_hz), answer.channels).tobytes()
    if not answer.wav:
        return pcm
    size = len(pcm) if answer.wav_size is None else answer.wav_size
    return wav_header(answer.rate_hz, answer.channels, size) + pcm


@attrs.define(eq=False)
class SpeechServer:
    """The running server. `script` may be changed at any time.

    Attributes:
        url: The base URL, with "/v1".
        requests: The bodies of all requests so far; `headers` theirs.
        connections: How many were opened so far; `open_connections`: are open now.
        busy: How many answers are under way.
        cancelled: How many answers were cut short by the client hanging up.
        sent_bytes: Of bodies, so far.
    """

    url: str
    script: Script
    requests: list[dict[str, Any]] = attrs.field(factory=list)
    headers: list[dict[str, str]] = attrs.field(factory=list)
    connections: int = 0
    open_connections: int = 0
    busy: int = 0
    cancelled: int = 0
    sent_bytes: int = 0

    def answer_to(self, body: dict[str, Any]) -> Answer:
        if callable(self.script):
            return self.script(body)
        if isinstance(self.script, Answer):
            return self.script
        first, *rest = self.script
        if rest:
            self.script = rest
        return first

    async def until(self, condition: Callable[[SpeechServer], bool]) -> None:
        """Wait until `condition` holds; five seconds are too long."""
        with trio.fail_after(5):
            while not condition(self):  # noqa: ASYNC110 - for tests, simple is enough
                await trio.sleep(0.001)


class _Connection:
    def __init__(self, server: SpeechServer, stream: trio.SocketStream) -> None:
        self._server = server
        self._stream = stream
        self._http = h11.Connection(h11.SERVER)

    async def serve(self) -> None:
        while (request := await self._request()) is not None:
            answer = self._server.answer_to(request)
            if answer.hang_up:
                return
            self._server.busy += 1
            try:
                await self._answer(request, answer)
            finally:
                self._server.busy -= 1
            self._http.start_next_cycle()

    async def _event(self) -> Any:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.receive_some())
        return event

    async def _request(self) -> dict[str, Any] | None:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return None
        body = b""
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
        assert head.target == b"/v1/audio/speech", head.target
        request: dict[str, Any] = json.loads(body)
        self._server.requests.append(request)
        headers = {name.decode(): value.decode() for name, value in head.headers}
        self._server.headers.append(headers)
        return request

    async def _answer(self, request: dict[str, Any], answer: Answer) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            await trio.sleep(answer.headers_delay_s)
            await self._send_answer(request, answer)
            nursery.cancel_scope.cancel()

    async def _watch(self) -> None:
        """A client has nothing to say while we answer, except that it is gone."""
        with suppress(trio.BrokenResourceError):
            if await self._stream.receive_some():
                raise h11.RemoteProtocolError("spoke out of turn")
        self._server.cancelled += 1
        raise _BrokenOffError

    async def _send(self, event: h11.Event) -> None:
        data = self._http.send(event)
        if data:
            await self._stream.send_all(data)

    async def _send_answer(self, request: dict[str, Any], answer: Answer) -> None:
        kind = answer.content_type or ("audio/wav" if answer.wav else "audio/pcm")
        headers = [("content-type", kind), ("transfer-encoding", "chunked")]
        await self._send(h11.Response(status_code=answer.status, headers=headers))
        body = answer.body
        if body is None:
            body = speech_bytes(str(request["input"]), answer)
        if answer.ending in ("cut", "stall"):
            body = body[: len(body) // 2]
        if answer.ending == "half":
            body += b"\x01"
        cut = answer.cut_bytes
        for start in range(0, len(body), cut):
            await trio.sleep(answer.part_delay_s)
            await self._send(h11.Data(data=body[start : start + cut]))
            self._server.sent_bytes += cut
        while answer.ending == "endless":
            await self._send(h11.Data(data=bytes(cut)))
            self._server.sent_bytes += cut
        if answer.ending == "stall":
            await trio.sleep_forever()
        if answer.ending == "cut":
            raise _BrokenOffError
        await self._send(h11.EndOfMessage())


async def _serve(server: SpeechServer, stream: trio.SocketStream) -> None:
    server.connections += 1
    server.open_connections += 1
    # Whatever a client does to its connection, the server goes on.
    try:
        await _Connection(server, stream).serve()
    except* (_BrokenOffError, trio.BrokenResourceError, h11.ProtocolError):
        pass
    finally:
        server.open_connections -= 1


@asynccontextmanager
async def open_speech_server(
    script: Script | None = None, *, port: int = 0
) -> AsyncIterator[SpeechServer]:
    """Serve on 127.0.0.1 until the block ends; all connections end with it."""
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    bound = listeners[0].socket.getsockname()[1]
    server = SpeechServer(f"http://127.0.0.1:{bound}/v1", script or Answer())
    async with trio.open_nursery() as nursery:
        await nursery.start(
            partial(trio.serve_listeners, partial(_serve, server), listeners)
        )
        yield server
        nursery.cancel_scope.cancel()


async def _main(args: argparse.Namespace) -> None:
    async with open_speech_server(port=args.port) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        await trio.sleep_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0)
    trio.run(_main, parser.parse_args())
