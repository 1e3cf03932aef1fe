"""Wyoming servers for tests: ours in this process, real ones, and hostile ones."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from providers.asr import sherpa
from providers.tts import espeak
from tests.helpers_speech import TINY_MODEL
from trioagent.serving.inbox import ClientLimits
from trioagent.serving.info import recognizer_info, synthesizer_info
from trioagent.serving.server import Server
from trioagent.serving.synthesis import Synthesizing
from trioagent.serving.transcription import Transcribing
from trioagent.wyoming.address import Address, parse_address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from trioagent.interfaces import Recognizer, Synthesizer

ANY_PORT = "tcp://127.0.0.1:0"


@asynccontextmanager
async def running(server: Server, uri: str = ANY_PORT) -> AsyncIterator[str]:
    """Run a server; the block begins when clients can come. Gives its address."""
    ready: list[Address] = []
    is_ready = trio.Event()

    def on_ready(address: Address) -> None:
        ready.append(address)
        is_ready.set()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(server.run, parse_address(uri), on_ready, name="server")
        await is_ready.wait()
        yield str(ready[0])
        nursery.cancel_scope.cancel()


def recognizer_server(
    recognizer: Recognizer, limits: ClientLimits | None = None
) -> Server:
    info = recognizer_info("tiny", ["en"])
    return Server(Transcribing(recognizer), info, limits or ClientLimits())


def synthesizer_server(
    synthesizer: Synthesizer, limits: ClientLimits | None = None
) -> Server:
    info = synthesizer_info("espeak", ["en"])
    return Server(Synthesizing(synthesizer), info, limits or ClientLimits())


@asynccontextmanager
async def served_recognizer(uri: str = ANY_PORT) -> AsyncIterator[str]:
    """The tiny model behind our server."""
    options = sherpa.Options(model=str(TINY_MODEL))
    async with (
        sherpa.PROVIDER.open(options) as recognizer,
        running(recognizer_server(recognizer), uri) as address,
    ):
        yield address


@asynccontextmanager
async def served_synthesizer(uri: str = ANY_PORT) -> AsyncIterator[str]:
    """espeak-ng behind our server."""
    async with (
        espeak.PROVIDER.open(espeak.Options()) as synthesizer,
        running(synthesizer_server(synthesizer), uri) as address,
    ):
        yield address


@asynccontextmanager
async def listener(
    behave: Callable[[trio.SocketStream], Awaitable[None]],
) -> AsyncIterator[str]:
    """A server that does anything at all with each of its clients."""

    async def serve(stream: trio.SocketStream) -> None:
        async with stream:
            try:
                await behave(stream)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, listeners, name="listener")
        port = listeners[0].socket.getsockname()[1]
        yield f"tcp://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


@attrs.define(eq=False)
class Unreliable:
    """A way to a server that can be cut, as if the server had been killed."""

    target: str
    uri: str = ""
    connections: int = 0
    scopes: list[trio.CancelScope] = attrs.Factory(list)
    refuses: bool = False
    stalls: bool = False

    def kill(self) -> None:
        self.refuses = True
        for scope in self.scopes:
            scope.cancel()

    async def pass_on(self, stream: trio.SocketStream) -> None:
        if self.refuses:
            return
        self.connections += 1
        host, port = self.target.removeprefix("tcp://").split(":")
        with trio.CancelScope() as scope:
            self.scopes.append(scope)
            server = await trio.open_tcp_stream(host, int(port))
            async with server, trio.open_nursery() as nursery:
                nursery.start_soon(self._copy, stream, server, scope)
                nursery.start_soon(self._copy, server, stream, scope)

    async def _copy(
        self, source: trio.SocketStream, sink: trio.SocketStream, scope: Any
    ) -> None:
        try:
            async for data in source:
                if self.stalls:
                    await trio.sleep_forever()
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        scope.cancel()


@asynccontextmanager
async def unreliable(target: str) -> AsyncIterator[Unreliable]:
    way = Unreliable(target)
    async with listener(way.pass_on) as uri:
        way.uri = uri
        yield way
