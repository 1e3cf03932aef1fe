"""A network between a client and a server that can fail: TCP and UDP on one port."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.rooms.murmurd import Murmurd


@attrs.define(eq=False)
class Relay:
    """Passes everything on. `cut` loses UDP and holds TCP up; `udp_lost`: only UDP."""

    port: int = 0
    udp_lost: bool = False
    _open: trio.Event = attrs.Factory(trio.Event)

    def cut(self) -> None:
        self.udp_lost = True
        self._open = trio.Event()

    def restore(self) -> None:
        self.udp_lost = False
        self._open.set()

    async def _pump(self, source: Any, sink: Any) -> None:
        await trio.lowlevel.checkpoint()
        try:
            while True:
                await self._open.wait()
                data = await source.receive_some(512)
                # Held up on its way, as the network would.
                await self._open.wait()
                if not data:
                    break
                await sink.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass
        await trio.aclose_forcefully(sink)

    async def serve_tcp(self, server: Murmurd, client: trio.SocketStream) -> None:
        upstream = await trio.open_tcp_stream(server.host, server.port)
        async with upstream, client, trio.open_nursery() as nursery:
            nursery.start_soon(self._pump, client, upstream)
            nursery.start_soon(self._pump, upstream, client)

    async def serve_udp(self, server: Murmurd, outside: Any) -> None:
        inside = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        with outside, inside:
            await inside.connect((server.host, server.port))
            clients: list[Any] = []
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._udp_in, inside, outside, clients)
                while True:
                    packet, client = await outside.recvfrom(2048)
                    clients[:] = [client]
                    if not self.udp_lost:
                        await inside.send(packet)

    async def _udp_in(self, inside: Any, outside: Any, clients: list[Any]) -> None:
        while True:
            packet = await inside.recv(2048)
            if not self.udp_lost:
                await outside.sendto(packet, clients[0])


@asynccontextmanager
async def relay_to(server: Murmurd) -> AsyncIterator[Relay]:
    """Open a relay to `server` on a free port, for one client."""
    relay = Relay()
    relay.restore()
    async with trio.open_nursery() as nursery:
        handler = partial(relay.serve_tcp, server)
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        # As small as it gets: what the relay holds up shall not count as delivered.
        listeners[0].socket.setsockopt(trio.socket.SOL_SOCKET, trio.socket.SO_RCVBUF, 1)
        relay.port = listeners[0].socket.getsockname()[1]
        await nursery.start(trio.serve_listeners, handler, listeners)
        outside = trio.socket.socket(type=trio.socket.SOCK_DGRAM)
        await outside.bind(("127.0.0.1", relay.port))
        nursery.start_soon(relay.serve_udp, server, outside)
        yield relay
        nursery.cancel_scope.cancel()
