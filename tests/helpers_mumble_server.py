"""A Mumble server that does what a test says, over real TLS: `scripted_server(...)`."""

from __future__ import annotations

import ssl
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from providers.rooms.mumble.messages import (
    ChannelState,
    CryptSetup,
    Message,
    ServerConfig,
    ServerSync,
    UserState,
    Version,
)
from providers.rooms.mumble.wire import MessageReader, encode
from providers.rooms.server_certificate import ServerCertificate, ensure_certificate
from trioagent.config import MumbleConfig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

OUR_SESSION = 1
HERE, ELSEWHERE = 0, 1


@attrs.define(eq=False)
class Peer:
    """The client that is connected, seen from the server."""

    _stream: trio.SSLStream[trio.SocketStream]
    received: list[Message] = attrs.Factory(list)

    async def send(self, *messages: Message) -> None:
        """Send messages in as few pieces as TLS makes of them."""
        await self._stream.send_all(b"".join(map(encode, messages)))

    async def read(self) -> None:
        """Take in what the client sends, until it goes."""
        reader = MessageReader()
        await trio.lowlevel.checkpoint()
        try:
            while data := await self._stream.receive_some():
                self.received += reader.feed(data)
        except trio.BrokenResourceError:
            pass


@asynccontextmanager
async def scripted_server(
    folder: Path, script: Callable[[Peer], Awaitable[None]]
) -> AsyncIterator[MumbleConfig]:
    """Run a server that lets everybody in and then runs `script`.

    Yields what `open_mumble` takes to reach it. There is no UDP.
    """
    certificate = await trio.to_thread.run_sync(ensure_certificate, folder)
    context = _context(certificate)

    async def serve(tcp: trio.SocketStream) -> None:
        async with trio.SSLStream(
            tcp, context, server_side=True, https_compatible=True
        ) as stream:
            peer = Peer(stream)
            await peer.send(*_welcome())
            async with trio.open_nursery() as clients:
                clients.start_soon(script, peer)
                await peer.read()
                clients.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        port = listeners[0].socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, serve, listeners)
        yield MumbleConfig(
            server="127.0.0.1",
            port=port,
            user="agent",
            trust="ca",
            ca_file=str(certificate.certificate_file),
            udp=False,
        )
        nursery.cancel_scope.cancel()


def _context(certificate: ServerCertificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    return context


def _welcome() -> tuple[Message, ...]:
    return (
        Version(version_v1=1 << 16 | 3 << 8),
        CryptSetup(),
        ChannelState(channel_id=HERE, name="Root"),
        ChannelState(channel_id=ELSEWHERE, parent=HERE, name="Elsewhere"),
        UserState(session=OUR_SESSION, name="agent", channel_id=HERE),
        ServerSync(session=OUR_SESSION, max_bandwidth=130_000),
        ServerConfig(message_length=5000),
    )
