"""Clients of a model: as many as the limits allow, each in a task of its own."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from trioagent.errors import ProviderError, first_error
from trioagent.serving.inbox import ClientLimits, Inbox, Refused
from trioagent.serving.listening import listen
from trioagent.wyoming.connection import Connection, LostConnection
from trioagent.wyoming.framing import BadFrame, Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from trioagent.wyoming.address import Address

log = logging.getLogger(__name__)

GOODBYE_S = 1.0


class Service(Protocol):
    """A model, as its clients use it."""

    async def converse(self, inbox: Inbox) -> None:
        """Serve one client until it is gone: errors, grouped or not, say how."""
        ...


@attrs.define(eq=False)
class Server:
    """A service and its clients."""

    service: Service
    info: Event
    limits: ClientLimits = attrs.Factory(ClientLimits)
    clients: int = 0
    """How many are connected."""

    async def run(self, address: Address, on_ready: Callable[[Address], None]) -> None:
        """Serve until cancelled; then all connections are closed.

        Args:
            address: Where to listen.
            on_ready: Told when clients can come, and where.

        Raises:
            ConfigError: the address cannot be listened at.
        """
        async with listen(address) as listening:
            if not listening.address.is_local:
                log.warning(
                    "%s can be reached from other machines, and whoever reaches it "
                    "may use it: Wyoming has neither passwords nor encryption",
                    listening.address,
                )
            on_ready(listening.address)
            await trio.serve_listeners(self._serve, listening.listeners)

    async def _serve(self, stream: trio.SocketStream) -> None:
        connection = Connection(stream, self.limits.frames)
        self.clients += 1
        try:
            farewell = await self._converse(connection)
            if farewell is not None:
                await _say_goodbye(connection, farewell)
        finally:
            self.clients -= 1
            connection.close()

    async def _converse(self, connection: Connection) -> Event | None:
        """Serve a client; return the error that it is to be told, if any."""
        if self.clients > self.limits.connections:
            text = f"there are {self.limits.connections} clients already"
            return _error("busy", text)
        inbox = Inbox(connection, self.info, self.limits)
        farewell: Event | None = None
        try:
            await self.service.converse(inbox)
        except* LostConnection:
            pass
        except* Refused as group:
            refused = first_error(group)
            farewell = _error(refused.code, str(refused))
        except* BadFrame as group:
            farewell = _error("bad-frame", str(first_error(group)))
        except* ProviderError as group:
            failure = first_error(group)
            log.warning("%s", failure)
            farewell = _error("provider", failure.message)
        except* Exception:
            # A mistake of ours that one client met: the others go on.
            log.exception("a client's request failed")
            farewell = _error("internal", "something went wrong here")
        return farewell


def _error(code: str, text: str) -> Event:
    return Event("error", {"text": text, "code": code})


async def _say_goodbye(connection: Connection, farewell: Event) -> None:
    """Tell a client why its connection is closed; wait until it has read that.

    To close while something unread waits resets the connection, and what we said last
    would be lost with it.
    """
    with trio.move_on_after(GOODBYE_S):
        try:
            await connection.send(farewell)
            await connection.drain()
        except LostConnection:
            return
