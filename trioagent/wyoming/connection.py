"""Wyoming over a socket. What fails is raised as `LostConnection`, or `BadFrame`."""

from __future__ import annotations

import os
import select
from typing import TYPE_CHECKING

import trio

from trioagent.wyoming.framing import Decoder, Event, Limits, encode

if TYPE_CHECKING:
    from trioagent.wyoming.address import Address

READ_BYTES = 1 << 16


class LostConnection(Exception):
    """The other side is gone, or was never there."""


class Connection:
    """One end of a connection. Several tasks may send; one may receive.

    Whoever is cancelled in `send`, or gets an error, can only close it. `receive` may
    be cancelled and called again.
    """

    def __init__(self, stream: trio.SocketStream, limits: Limits | None = None) -> None:
        self._stream = stream
        self._decoder = Decoder(limits or Limits())
        self._sending = trio.Lock()

    async def send(self, *events: Event) -> None:
        """Send events, with none of another task's between them.

        Raises:
            LostConnection: the other side is gone.
        """
        frames = b"".join(map(encode, events))
        async with self._sending:
            try:
                await self._stream.send_all(frames)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise LostConnection("it closed the connection") from error

    async def receive(self) -> Event | None:
        """Wait for the next event; None when the other side has closed in good order.

        Raises:
            LostConnection: it closed within a frame, or the connection broke.
            BadFrame: what came is no frame.
        """
        await trio.lowlevel.checkpoint()
        while (event := self._decoder.next()) is None:
            try:
                data = await self._stream.receive_some(READ_BYTES)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise LostConnection("the connection broke") from error
            if not data and self._decoder.within_frame:
                raise LostConnection("it closed the connection within a frame")
            if not data:
                return None
            self._decoder.feed(data)
        return event

    async def drain(self) -> None:
        """Say that nothing more comes; drop what arrives until the other side closes.

        Raises:
            LostConnection: the connection broke.
        """
        try:
            await self._stream.send_eof()
            while await self._stream.receive_some(READ_BYTES):
                pass
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise LostConnection("the connection broke") from error

    def receive_nowait(self) -> Event | None:
        """The next event if all of it was read from the socket already."""
        return self._decoder.next()

    def has_arrived(self) -> bool:
        """Whether something unread is there, be it only the connection's end."""
        if self._stream.socket.fileno() < 0 or self._decoder.within_frame:
            return True
        poll = select.poll()
        poll.register(self._stream.socket.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Close at once, without waiting for anything. Again is nothing."""
        self._stream.socket.close()


async def dial(address: Address, timeout_s: float) -> Connection:
    """Connect.

    Raises:
        LostConnection: nobody is there, or does not take us within `timeout_s`.
    """
    try:
        with trio.fail_after(timeout_s):
            if address.path:
                return Connection(await trio.open_unix_socket(address.path))
            return Connection(await trio.open_tcp_stream(address.host, address.port))
    except trio.TooSlowError:
        reason = f"it cannot be reached within {timeout_s:g} s"
        raise LostConnection(reason) from None
    except OSError as error:
        raise LostConnection(f"nobody answers there: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    cause = error.__cause__
    if isinstance(cause, BaseExceptionGroup):  # an error for each address tried
        return _reason(cause.exceptions[0])
    number = getattr(error, "errno", None) or 0
    # Trio's own text has the address in it; names that are unknown have no errno.
    return os.strerror(number) if number > 0 else getattr(error, "strerror", str(error))
