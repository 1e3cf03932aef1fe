"""Sockets to be reached at: TCP, or a Unix socket that only we ourselves may open."""

from __future__ import annotations

import errno
import socket
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.errors import ConfigError
from trioagent.wyoming.address import Address

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

BACKLOG = 128


@attrs.frozen(eq=False)
class Listening:
    """Open sockets, and the address at which they are reached."""

    address: Address
    listeners: list[trio.SocketListener]


@asynccontextmanager
async def listen(address: Address) -> AsyncIterator[Listening]:
    """Listen until the block ends; port 0 takes any that is free.

    Raises:
        ConfigError: somebody listens there already, or it is not ours to listen at.
    """
    try:
        listeners = await _listeners(address)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        reason = error.strerror or str(error)
        raise ConfigError(
            f"{address}: cannot listen there: {reason}",
            hint="stop what listens there, or choose another address with --uri"
            if in_use
            else "choose another address with --uri",
        ) from error
    if not address.path:
        port = listeners[0].socket.getsockname()[1]
        address = attrs.evolve(address, port=port)
    try:
        yield Listening(address, listeners)
    finally:
        for listener in listeners:
            listener.socket.close()
        if address.path:
            _remove(address.path)


async def _listeners(address: Address) -> list[trio.SocketListener]:
    if not address.path:
        return await trio.open_tcp_listeners(address.port, host=address.host)
    if not await _somebody_answers(address.path):
        _remove(address.path)
    opened = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        await opened.bind(address.path)
        # Nobody can connect before `listen`.
        _close_to_others(address.path)
        opened.listen(BACKLOG)
    except BaseException:
        opened.close()
        raise
    return [trio.SocketListener(opened)]


def _remove(path: str) -> None:
    if Path(path).is_socket():
        Path(path).unlink()


def _close_to_others(path: str) -> None:
    Path(path).chmod(0o600)


async def _somebody_answers(path: str) -> bool:
    """Whether the socket is in use; one that was left behind is not."""
    try:
        stream = await trio.open_unix_socket(path)
    except OSError:
        return False
    stream.socket.close()
    return True
