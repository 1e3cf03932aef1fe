"""A small server with vLLM's protocol, and the tiny model in place of Qwen3-ASR.

It has /v1/models, /v1/audio/transcriptions and the WebSocket /v1/realtime, on a real
socket. What it hears is real; only the model behind it is another one.
"""

from __future__ import annotations

import io
import json
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import TYPE_CHECKING, Any

import attrs
import h11
import numpy as np
import soundfile
import trio
from wsproto import ConnectionType, WSConnection

from providers.asr import qwen, sherpa
from tests.helpers_speech import TINY_MODEL
from tests.qwen_realtime_server import MODEL, READ_BYTES, TAG, Session
from trioagent.interfaces import HEARING_RATE_HZ, Recognizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from trioagent.interfaces import RecognizerStream

NAP_S = 0.01
WORDING = ("language", "prompt", "model")


@attrs.define(eq=False)
class QwenServer:
    """One model for all clients. What it counts is for tests."""

    recognizer: Recognizer
    realtime: bool = True
    """Without it, vLLM refuses the WebSocket with 403."""
    api_key: str = ""
    requests: list[tuple[str, dict[str, str]]] = attrs.Factory(list)
    sessions: int = 0
    """Opened so far."""
    open_sessions: int = 0
    answers: int = 0
    """Transcripts that were sent in full."""

    _streams: set[trio.SocketStream] = attrs.Factory(set)

    def count(self) -> None:
        """Note that a transcript was sent."""
        self.answers += 1

    def hang_up(self) -> None:
        """Close all connections."""
        for stream in self._streams:
            stream.socket.close()

    async def serve(self, stream: trio.SocketStream) -> None:
        self._streams.add(stream)
        async with stream:
            try:
                await _Client(self, stream).run()
            except* (trio.BrokenResourceError, trio.ClosedResourceError):
                pass


@attrs.define(eq=False)
class _Client:
    server: QwenServer
    stream: trio.SocketStream

    async def run(self) -> None:
        connection = h11.Connection(h11.SERVER)
        while True:
            request = await self._next(connection)
            if not isinstance(request, h11.Request):
                return
            headers = {k.decode(): v.decode() for k, v in request.headers}
            path = request.target.decode()
            upgrade = headers.get("upgrade") == "websocket"
            if upgrade and self.server.realtime and path == "/v1/realtime":
                await self._websocket(request)
                return
            body = b""
            while isinstance(event := await self._next(connection), h11.Data):
                body += event.data
            answer = (403, {}) if upgrade else await self._answer(path, headers, body)
            await self._respond(connection, *answer)
            if connection.our_state is h11.MUST_CLOSE:
                return
            connection.start_next_cycle()

    async def _next(self, connection: h11.Connection) -> Any:
        while (event := connection.next_event()) is h11.NEED_DATA:
            connection.receive_data(bytes(await self.stream.receive_some(READ_BYTES)))
        return event

    async def _respond(
        self, connection: h11.Connection, status: int, answer: object
    ) -> None:
        body = json.dumps(answer).encode()
        headers = [
            ("Content-Length", str(len(body))),
            ("Content-Type", "application/json"),
        ]
        response = h11.Response(status_code=status, headers=headers)
        parts = [response, h11.Data(data=body), h11.EndOfMessage()]
        await self.stream.send_all(b"".join(connection.send(x) or b"" for x in parts))

    async def _answer(
        self, path: str, headers: dict[str, str], body: bytes
    ) -> tuple[int, object]:
        key = self.server.api_key
        if key and headers.get("authorization") != f"Bearer {key}":
            return 401, {"error": {"message": "Invalid API key"}}
        if path == "/v1/models":
            return 200, {"object": "list", "data": [{"id": MODEL, "object": "model"}]}
        if path != "/v1/audio/transcriptions":
            return 404, {"detail": "Not Found"}
        fields = _form(headers["content-type"], body)
        texts = {k: value.decode() for k, value in fields.items() if k != "file"}
        self.server.requests.append((path, texts))
        if texts["model"] != MODEL:
            return 404, {"error": {"message": f"no model {texts['model']}"}}
        pcm, rate_hz = soundfile.read(io.BytesIO(fields["file"]), dtype="int16")
        assert rate_hz == HEARING_RATE_HZ
        async with self.server.recognizer.stream() as stream:
            await stream.feed(pcm)
            said = await stream.finish()
        self.server.count()
        return 200, {"text": f"{TAG}{said}", "usage": {"type": "duration"}}

    async def _websocket(self, request: h11.Request) -> None:
        wire = WSConnection(ConnectionType.SERVER)
        wire.initiate_upgrade_connection(request.headers, request.target.decode())
        self.server.sessions += 1
        self.server.open_sessions += 1
        try:
            await Session(
                self.server.recognizer, self.server.count, self.stream, wire
            ).run()
        finally:
            self.server.open_sessions -= 1


def _form(content_type: str, body: bytes) -> dict[str, bytes]:
    head = f"Content-Type: {content_type}\r\n\r\n".encode()
    parts = message_from_bytes(head + body).get_payload()
    assert isinstance(parts, list)
    form = {}
    for part in parts:
        name = part.get_param("name", header="content-disposition")
        form[str(name)] = part.get_payload(decode=True)
    return form


@asynccontextmanager
async def qwen_server(**settings: Any) -> AsyncIterator[tuple[QwenServer, str]]:
    """The server with the tiny model, and its base_url."""
    options = sherpa.Options(model=str(TINY_MODEL))
    async with sherpa.PROVIDER.open(options) as recognizer:
        server = QwenServer(recognizer, **settings)
        async with http_listener(server.serve) as base_url:
            yield server, base_url


@asynccontextmanager
async def http_listener(
    serve: Callable[[trio.SocketStream], Awaitable[None]],
) -> AsyncIterator[str]:
    """Anything that listens; gives the base_url that leads to it."""
    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners)
        port = listeners[0].socket.getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1"
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def opened(**settings: Any) -> AsyncIterator[tuple[QwenServer, Recognizer]]:
    """The server, and the provider that uses it."""
    ours = {
        key: settings.pop(key)
        for key in ("mode", "partial_interval_s", "longest_piece_s", *WORDING)
        if key in settings
    }
    async with qwen_server(**settings) as (server, base_url):
        options = qwen.Options(base_url=base_url, api_key=server.api_key, **ours)
        async with qwen.PROVIDER.open(options) as recognizer:
            yield server, recognizer


async def feed_until_heard(stream: RecognizerStream) -> str:
    """Feed nothing until the stream shows a hypothesis."""
    nothing = np.zeros(0, np.int16)
    with trio.fail_after(10):
        heard = ""
        while not heard:
            await trio.sleep(NAP_S)
            heard = await stream.feed(nothing)
    return heard


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the server is as it should become."""
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 - nobody else would set an event
            await trio.sleep(NAP_S)
