"""A WebSocket of a client: text messages, in bounds, over Trio's own streams.

wsproto knows the protocol; here are the socket, its patience, and the errors. One task
may send while another one receives.
"""

from __future__ import annotations

import ssl
from collections import deque
from urllib.parse import urlsplit

import attrs
import trio
from wsproto import ConnectionType, WSConnection
from wsproto.connection import ConnectionState
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Ping,
    RejectConnection,
    RejectData,
    Request,
    TextMessage,
)
from wsproto.utilities import ProtocolError

from providers.http_words import error_message, shorten

_PORTS = {"ws": 80, "wss": 443}
_RECEIVE_BYTES = 1 << 16
_CLOSED = ConnectionState.CLOSED
_MOST_REFUSAL_BYTES = 1 << 16


class WebSocketError(Exception):
    """The connection is of no use any more, or never was; the text says why."""


class Unreachable(WebSocketError):
    """Nobody is there."""


class Silent(WebSocketError):
    """The other side owes something that it does not send, or does not take."""


class Closed(WebSocketError):
    """The other side ended the connection."""


@attrs.frozen
class Refused(WebSocketError):
    """The server answered, but not with a WebSocket.

    Attributes:
        status: Of HTTP; 0 if it speaks no HTTP.
    """

    text: str
    status: int = 0

    def __str__(self) -> str:
        """What it said."""
        return self.text


@attrs.frozen(kw_only=True)
class Limits:
    """What the other side may take.

    Attributes:
        connect_s: Until the socket is connected, and until it is a WebSocket.
        send_s: Until it has taken a message.
        message_chars: How long a message of theirs may be.
    """

    connect_s: float = 2.0
    send_s: float = 10.0
    message_chars: int = 1 << 20


class WebSocket:
    """An open connection. Make it with `connect`; `close` it when done."""

    def __init__(
        self, socket: trio.SocketStream, stream: trio.abc.Stream, limits: Limits
    ) -> None:
        self._socket = socket
        self._stream = stream
        self._limits = limits
        self._wire = WSConnection(ConnectionType.CLIENT)
        self._sending = trio.Lock()
        self._parts: list[str] = []
        self._chars = 0
        self._messages: deque[str] = deque()

    async def send(self, text: str) -> None:
        """Send one text message.

        If cancelled, part of it may be sent: the connection is only good for closing.

        Raises:
            WebSocketError: the other side is gone, or takes nothing.
        """
        await self._send(TextMessage(data=text))

    async def receive(self) -> str:
        """Wait for the next text message, however long; answer pings meanwhile.

        Raises:
            Closed: there will be none.
            WebSocketError: it is too long, or is no WebSocket's.
        """
        while not self._messages:
            for event in await self._read():
                await self._take(event)
        return self._messages.popleft()

    def close(self) -> None:
        """Close the socket at once, without a word. Again is nothing.

        Whoever sends or receives gets `Closed`.
        """
        self._socket.socket.close()

    async def _take(self, event: Event) -> None:
        if isinstance(event, TextMessage):
            self._chars += len(event.data)
            if self._chars > self._limits.message_chars:
                most = self._limits.message_chars
                raise WebSocketError(
                    f"it sent a message of more than {most} characters"
                )
            if event.data:
                self._parts.append(event.data)
            if event.message_finished:
                self._messages.append("".join(self._parts))
                self._parts, self._chars = [], 0
        elif isinstance(event, BytesMessage):
            raise WebSocketError("it sent bytes where text is due")
        elif isinstance(event, Ping):
            await self._send(event.response())
        elif isinstance(event, CloseConnection):
            said = f": {shorten(event.reason)}" if event.reason else ""
            raise Closed(f"it closed the connection ({event.code}{said})")

    async def shake_hands(self, request: Request) -> None:
        """Become a WebSocket; errors as `connect`."""
        await self._send(request)
        refusal: RejectConnection | None = None
        body = bytearray()
        accepted = False
        while not accepted:
            for event in await self._read():
                if isinstance(event, AcceptConnection):
                    accepted = True
                elif isinstance(event, RejectConnection):
                    refusal = event
                elif isinstance(event, RejectData) and len(body) < _MOST_REFUSAL_BYTES:
                    body += event.data
                elif accepted:
                    # The first messages may come with the acceptance.
                    await self._take(event)
            over = len(body) >= _MOST_REFUSAL_BYTES or self._wire.state is _CLOSED
            if refusal is not None and (over or not refusal.has_body):
                raise _refused(refusal.status_code, body)

    async def _send(self, event: Event) -> None:
        try:
            data = self._wire.send(event)
            with trio.fail_after(self._limits.send_s):
                async with self._sending:
                    await self._stream.send_all(data)
        except trio.TooSlowError:
            text = f"it took nothing for {self._limits.send_s:g} s"
            raise Silent(text) from None
        except ProtocolError as error:
            raise Closed(f"the connection is closed: {error}") from error
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _broken(error) from error

    async def _read(self) -> list[Event]:
        try:
            data = await self._stream.receive_some(_RECEIVE_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise _broken(error) from error
        if not data:
            raise Closed("it closed the connection without a word of goodbye")
        try:
            self._wire.receive_data(bytes(data))
            return list(self._wire.events())
        # wsproto reads headers as ASCII, and what is none is not translated by it.
        except (ProtocolError, UnicodeDecodeError) as error:
            raise Refused(f"it does not speak WebSocket: {error}") from error


def _broken(error: Exception) -> Closed:
    # What TLS has to say, such as of a certificate, is behind Trio's own error.
    cause = error.__cause__
    said = f": {shorten(str(cause))}" if isinstance(cause, ssl.SSLError) else ""
    return Closed(f"the connection broke off{said}")


def _refused(status: int, body: bytearray) -> Refused:
    said = error_message(body.decode(errors="replace"))
    return Refused(f"it answered {status}{': ' if said else ''}{said}", status)


async def connect(url: str, headers: dict[str, str], limits: Limits) -> WebSocket:
    """Connect to a ws:// or wss:// address.

    Raises:
        Unreachable: nobody is there.
        Refused: somebody is, but not a WebSocket.
        Silent, Closed: it does not answer.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    try:
        with trio.fail_after(limits.connect_s):
            socket = await trio.open_tcp_stream(host, port)
    except trio.TooSlowError:
        raise Unreachable(f"no connection in {limits.connect_s:g} s") from None
    except OSError as error:
        raise Unreachable(f"no connection: {error}") from error
    opened = False
    try:
        stream: trio.abc.Stream = socket
        if parts.scheme == "wss":
            context = await trio.to_thread.run_sync(ssl.create_default_context)
            stream = trio.SSLStream(socket, context, server_hostname=host)
        connection = WebSocket(socket, stream, limits)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        request = Request(
            host=parts.netloc,
            target=target,
            extra_headers=[(k.encode(), text.encode()) for k, text in headers.items()],
        )
        with trio.fail_after(limits.connect_s):
            await connection.shake_hands(request)
        opened = True
    except trio.TooSlowError:
        text = f"it did not answer within {limits.connect_s:g} s"
        raise Silent(text) from None
    finally:
        if not opened:
            socket.socket.close()
    return connection
