"""Servers that do anything at all with Qwen's client."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, Event, TextMessage
from wsproto.events import Request as WebSocketRequest

from providers.asr import qwen
from tests.helpers_qwen import http_listener
from tests.helpers_speech import silence

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Behaviour = Callable[[trio.SocketStream], Awaitable[None]]

CREATED = json.dumps({"type": "session.created"})
SOME_AUDIO = silence(0.5)


def hasty(base_url: str, mode: str = "realtime") -> qwen.Options:
    return qwen.Options(
        base_url=base_url, mode=mode, connect_timeout_s=1.0, answer_timeout_s=1.0
    )


@asynccontextmanager
async def listening(behave: Behaviour) -> AsyncIterator[str]:
    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await behave(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async with http_listener(serve) as base_url:
        yield base_url


@attrs.frozen
class Script:
    """A WebSocket server that says `first` at once, and `then` when it gets audio."""

    first: Sequence[Event] = (TextMessage(data=CREATED),)
    then: Sequence[Event] = ()
    concluded: trio.Event = attrs.Factory(trio.Event)

    async def __call__(self, stream: trio.SocketStream) -> None:
        wire = WSConnection(ConnectionType.SERVER)
        while data := await stream.receive_some():
            wire.receive_data(bytes(data))
            for event in wire.events():
                if isinstance(event, WebSocketRequest):
                    answers = [AcceptConnection(), *self.first]
                elif isinstance(event, TextMessage) and "append" in event.data:
                    answers = list(self.then)
                elif isinstance(event, TextMessage) and "true" in event.data:
                    self.concluded.set()
                    continue
                else:
                    continue
                for answer in answers:
                    await stream.send_all(wire.send(answer))


def with_models(websocket: Behaviour, answer: bytes = b"") -> Behaviour:
    """Answers HTTP as a server without a list of models does, or with `answer`."""

    async def behave(stream: trio.SocketStream) -> None:
        data = bytes(await stream.receive_some())
        if b"pgrade: websocket" in data or b"pgrade: WebSocket" in data:
            await websocket(Again(stream, data))  # type: ignore[arg-type] # as a stream
        elif b"/models" in data:
            await stream.send_all(b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n")
            await behave(stream)
        else:
            await stream.send_all(answer)

    return behave


@attrs.define(eq=False)
class Again:
    """A stream whose first data was read already."""

    stream: trio.SocketStream
    data: bytes

    async def receive_some(self) -> bytes:
        if self.data:
            data, self.data = self.data, b""
            return data
        return bytes(await self.stream.receive_some())

    async def send_all(self, data: bytes) -> None:
        await self.stream.send_all(data)
