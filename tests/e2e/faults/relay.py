"""A network that fails in a chosen way: TCP, and UDP on the same port if wanted.

Whoever connects to the relay's port reaches a server on 127.0.0.1, until `fail`.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Failure = Literal["refused", "reset", "black hole", "slow", "garbage", "half-close"]

HOST = "127.0.0.1"
BYTES = 512
SLOW_BYTES, SLOW_S = 64, 0.5
RESET = struct.pack("ii", 1, 0)


@attrs.define(eq=False)
class _Connection:
    """Both sides of one connection through the relay."""

    client: trio.SocketStream
    server: trio.SocketStream
    garbage_sent: bool = False

    def reset(self) -> None:
        """End it at once: the client gets a RST, and so does the server."""
        for stream in (self.client, self.server):
            if stream.socket.fileno() >= 0:
                stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                stream.socket.close()


@attrs.define(eq=False)
class Relay:
    """Passes everything on; `failure` says how not.

    "refused": nobody listens, and what was open is reset. "reset": every connection
    is, as soon as its client speaks. "black hole": nothing passes, UDP included.
    "slow": 128 bytes a second each way. "garbage": random bytes come in place of the
    server's. "half-close": the server's side of the connection has ended, the other
    one has not.
    """

    server_port: int
    udp: bool = False
    port: int = 0
    failure: Failure | None = None
    _nursery: trio.Nursery | None = None
    _listening: trio.CancelScope | None = None
    _accepting: trio.Event = attrs.Factory(trio.Event)
    """Set when nobody accepts any more."""
    _placeholder: socket.socket | None = None
    _open: list[_Connection] = attrs.Factory(list)
    _changed: trio.Event = attrs.Factory(trio.Event)

    async def fail(self, failure: Failure) -> None:
        """Fail from now on; what is open fails, too."""
        await trio.lowlevel.checkpoint()
        self._set(failure)
        if failure == "refused" and self._listening is not None:
            self._listening.cancel()
            await self._accepting.wait()
            # The port stays ours, so that nobody else gets it.
            self._placeholder = _bound(self.port)
        if failure in ("refused", "reset"):
            self.reset()
        for connection in list(self._open):
            await self._spoil(connection)

    async def restore(self) -> None:
        """Be a good network again."""
        await trio.lowlevel.checkpoint()
        refused = self.failure == "refused"
        self._set(None)
        if refused:
            self._listen()

    def reset(self) -> None:
        """Break all connections."""
        for connection in self._open:
            connection.reset()

    def _set(self, failure: Failure | None) -> None:
        self.failure = failure
        self._changed.set()
        self._changed = trio.Event()

    async def _spoil(self, connection: _Connection) -> None:
        """Not through the stream: it may be in the middle of sending."""
        await trio.lowlevel.checkpoint()
        client = connection.client.socket
        with contextlib.suppress(OSError), trio.move_on_after(SLOW_S):
            await trio.lowlevel.checkpoint()
            if self.failure == "garbage":
                await client.send(secrets.token_bytes(BYTES))
            if self.failure == "half-close":
                client.shutdown(socket.SHUT_WR)

    async def run(  # noqa: ASYNC114 - only its own module starts it
        self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
    ) -> None:
        """Be there until cancelled."""
        async with trio.open_nursery() as self._nursery:
            self._listen()
            if self.udp:
                outside = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
                await outside.bind((HOST, self.port))
                self._nursery.start_soon(self._serve_udp, outside)
            task_status.started()
            await trio.sleep_forever()

    def _listen(self) -> None:
        assert self._nursery is not None
        listener = self._placeholder or _bound(self.port)
        self._placeholder = None
        if self.udp:
            # As small as it gets: speech that is held up shall not count as delivered.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        listener.listen(64)
        self.port = listener.getsockname()[1]
        self._listening, self._accepting = trio.CancelScope(), trio.Event()
        taker = trio.socket.from_stdlib_socket(listener)
        self._nursery.start_soon(self._accept, taker, self._listening)

    async def _accept(
        self, taker: trio.socket.SocketType, scope: trio.CancelScope
    ) -> None:
        assert self._nursery is not None
        with scope, taker:
            while True:
                client, _ = await taker.accept()
                self._nursery.start_soon(self._serve_tcp, trio.SocketStream(client))
        self._accepting.set()

    async def _serve_tcp(self, client: trio.SocketStream) -> None:
        try:
            server = await trio.open_tcp_stream(HOST, self.server_port)
        except OSError:
            await trio.aclose_forcefully(client)
            return
        connection = _Connection(client, server)
        self._open.append(connection)
        try:
            async with client, server, trio.open_nursery() as nursery:
                nursery.start_soon(self._up, connection)
                nursery.start_soon(self._down, connection)
        finally:
            self._open.remove(connection)

    async def _up(self, connection: _Connection) -> None:
        """From the client to the server."""
        try:
            while data := await connection.client.receive_some(BYTES):
                if self.failure == "reset":
                    connection.reset()
                    return
                await self._pass(data, connection.server)
            await connection.server.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.aclose_forcefully(connection.server)

    async def _down(self, connection: _Connection) -> None:
        """From the server to the client."""
        try:
            while data := await connection.server.receive_some(BYTES):
                if self.failure == "garbage":
                    data = secrets.token_bytes(len(data))
                if self.failure == "half-close":
                    await self._spoil(connection)
                    continue
                await self._pass(data, connection.client)
            await connection.client.send_eof()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            await trio.aclose_forcefully(connection.client)

    async def _pass(self, data: bytes, sink: trio.SocketStream) -> None:
        """Pass it on now, or slowly, or once the black hole has gone."""
        await trio.lowlevel.checkpoint()
        while self.failure == "black hole":
            await self._changed.wait()
        while self.failure == "slow" and data:
            await sink.send_all(data[:SLOW_BYTES])
            data = data[SLOW_BYTES:]
            changed = self._changed
            with trio.move_on_after(SLOW_S):
                await changed.wait()
        if data:
            await sink.send_all(data)

    async def _serve_udp(self, outside: trio.socket.SocketType) -> None:
        inside = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        with outside, inside:
            await inside.connect((HOST, self.server_port))
            clients: list[object] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._udp_down, inside, outside, clients)
                while True:
                    packet, client = await outside.recvfrom(2048)
                    clients[:] = [client]
                    if self.failure not in ("refused", "black hole", "slow"):
                        # The server's port may be closed just now.
                        with contextlib.suppress(ConnectionError):
                            await inside.send(packet)

    async def _udp_down(
        self,
        inside: trio.socket.SocketType,
        outside: trio.socket.SocketType,
        clients: list[object],
    ) -> None:
        while True:
            try:
                packet = await inside.recv(2048)
            except ConnectionError:  # the server's port is closed just now
                await trio.sleep(0.05)
                continue
            if self.failure in ("refused", "black hole", "slow"):
                continue
            if self.failure == "garbage":
                packet = secrets.token_bytes(len(packet))
            await outside.sendto(packet, clients[0])


def _bound(port: int) -> socket.socket:
    """A socket that has a port, and does not listen: who connects is refused."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((HOST, port))
    return bound


@asynccontextmanager
async def relay_to(server_port: int, *, udp: bool = False) -> AsyncIterator[Relay]:
    """Open a relay to a server of this machine."""
    relay = Relay(server_port, udp)
    async with trio.open_nursery() as nursery:
        await nursery.start(relay.run, name=f"relay to {server_port}")
        try:
            yield relay
        finally:
            nursery.cancel_scope.cancel()
            if relay._placeholder is not None:
                relay._placeholder.close()
