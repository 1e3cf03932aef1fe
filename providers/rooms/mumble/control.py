"""The TLS connection to the server, as a stream of messages."""

from __future__ import annotations

import fcntl
import struct
import sys
import termios
from typing import TYPE_CHECKING

import attrs
import trio

from providers.rooms.mumble.wire import MessageReader, encode

if TYPE_CHECKING:
    from providers.rooms.mumble.messages import Message

TlsStream = trio.SSLStream[trio.SocketStream]

_CHUNK_BYTES = 65_536
_CLOSE_GRACE_S = 0.2


class LinkDown(Exception):
    """The connection is lost; another one may be made."""


@attrs.define(eq=False)
class ControlStream:
    """Messages in and out; one task reads, one at a time writes."""

    _stream: TlsStream
    _reader: MessageReader = attrs.Factory(MessageReader)

    @property
    def socket(self) -> trio.socket.SocketType:
        """The TCP socket beneath."""
        return self._stream.transport_stream.socket

    @property
    def figures(self) -> dict[str, int]:
        """What waits before it is received: nothing but what the socket holds."""
        return {}

    async def receive(self) -> Message:
        """Return the next message that we know.

        Raises:
            LinkDown: the server closed the connection, or it broke.
            ProtocolError: the peer does not speak Mumble.
        """
        # Thousands may have come in one piece: others run between any two of them.
        await trio.lowlevel.checkpoint()
        while (message := self._reader.take()) is None:
            try:
                data = await self._stream.receive_some(_CHUNK_BYTES)
            except trio.BrokenResourceError as error:
                raise LinkDown(f"the connection broke: {_cause(error)}") from error
            if not data:
                raise LinkDown("the server closed the connection")
            self._reader.add(data)
        return message

    async def send(self, data: bytes) -> None:
        """Send encoded messages. If cancelled, the connection is of no more use.

        Raises:
            LinkDown: the connection broke.
        """
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            raise LinkDown(f"the connection broke: {_cause(error)}") from error

    async def send_messages(self, *messages: Message) -> None:
        """Send messages at once; errors as `send`."""
        await self.send(b"".join(map(encode, messages)))

    def unacknowledged_bytes(self) -> int:
        """Return how much of what we sent has not reached the server yet."""
        if sys.platform == "win32":
            return 0
        try:
            answer = fcntl.ioctl(self.socket.fileno(), termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # a closed socket has the number -1
            return 0
        return int(struct.unpack("i", answer)[0])

    async def aclose(self) -> None:
        """Say goodbye if the link takes it at once, and close. Takes 0.2 s at most."""
        with trio.move_on_after(_CLOSE_GRACE_S, shield=True):
            await self._stream.aclose()


def _cause(error: BaseException) -> BaseException:
    return error.__cause__ or error
