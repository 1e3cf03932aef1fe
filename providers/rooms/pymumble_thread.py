"""One connection to a Mumble server, in pymumble's thread. Imports pymumble (GPLv3).

pymumble's part is to split and parse what the server says, to keep the lists of users
and channels, and to call back for each change. Replaced here is what it gets wrong:
connecting (it verifies no certificate, and since Python 3.12 it hangs), its loop (it
polls, overlooks a closed link for seconds, leaves messages in OpenSSL's buffer),
sending (a full link ends the connection) and voice (it goes by the wall clock and
knows no end of talk). Callbacks only put what they hear into an inbox, so that its
locks, which no exception may pass, are held for microseconds.
"""

from __future__ import annotations

import contextlib
import fcntl
import selectors
import socket
import ssl
import struct
import termios
from collections import deque
from typing import TYPE_CHECKING, Any

import attrs
from pymumble_py3 import Mumble, mumble_pb2
from pymumble_py3 import constants as c

from providers.rooms.mumble.messages import (
    ChannelRemove,
    ChannelState,
    Message,
    PermissionDenied,
    Ping,
    Reject,
    ServerConfig,
    ServerSync,
    TextMessage,
    UserRemove,
    UserState,
    VoiceTunnel,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from trioagent.config import MumbleConfig
    from trioagent.inbox import Inbox

READ_BYTES = 1 << 14  # a TLS record
MAX_TEXT_CHARS = 200_000
"""Of a message, pictures included; what follows is not read, and fills no memory."""


@attrs.frozen
class LinkReady:
    """The server is verified; what is sent now reaches it."""


@attrs.frozen
class LinkEnded:
    """The thread's last word: why there is no connection any more."""

    error: Exception


News = Message | LinkReady | LinkEnded


class PymumbleThread(Mumble):  # type: ignore[misc] # pymumble has no types
    """Connects when started, and tells `inbox` what happens until `LinkEnded`.

    `verify` gets the server's certificate (DER); what it raises ends the connection.
    """

    def __init__(
        self,
        config: MumbleConfig,
        inbox: Inbox[News],
        context: ssl.SSLContext,
        verify: Callable[[bytes], None],
    ) -> None:
        super().__init__(config.server, config.user, port=config.port)
        self.Log.handlers.clear()  # each object adds one that writes to the terminal
        self.daemon = True
        self._timeout_s = config.connect_timeout_s
        self._inbox = inbox
        self._context = context
        self._verify = verify
        self._posted: deque[bytes] = deque()
        self._unsent = bytearray()
        self._stopping = False
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.settimeout(0)
        self._wake_out.settimeout(0)
        self.init_connection()
        for event, heard in {
            c.PYMUMBLE_CLBK_USERCREATED: self._user_changed,
            c.PYMUMBLE_CLBK_USERUPDATED: self._user_changed,
            c.PYMUMBLE_CLBK_USERREMOVED: self._user_left,
            c.PYMUMBLE_CLBK_CHANNELCREATED: self._channel_changed,
            c.PYMUMBLE_CLBK_CHANNELUPDATED: self._channel_changed,
            c.PYMUMBLE_CLBK_CHANNELREMOVED: self._channel_gone,
            c.PYMUMBLE_CLBK_PERMISSIONDENIED: self._denied,
        }.items():
            self.callbacks.add_callback(event, heard)

    # Called from Trio's thread; none of these waits.

    def post(self, data: bytes) -> None:
        """Send encoded messages soon."""
        self._posted.append(data)
        self._wake()

    def stop(self) -> None:
        """End the connection; the thread ends soon after."""
        self._stopping = True
        self._wake()

    def unacknowledged_bytes(self) -> int:
        """Return how much of what was posted has not reached the server yet."""
        waiting = len(self._unsent) + sum(map(len, tuple(self._posted)))
        try:
            answer = fcntl.ioctl(self.control_socket, termios.TIOCOUTQ, bytes(4))
        except (OSError, ValueError):  # closed meanwhile
            return waiting
        return waiting + int(struct.unpack("i", answer)[0])

    def _wake(self) -> None:
        # A full pipe wakes as well as one more byte; a closed one has nobody to wake.
        with contextlib.suppress(OSError):
            self._wake_out.send(b"x")

    # From here on: in the thread.

    def run(self) -> None:
        """Connect, and serve the connection until it ends."""
        error: Exception = ConnectionAbortedError("closed by us")
        try:
            self.connect()
            self._tell(LinkReady())
            self.loop()
        except Exception as raised:  # noqa: BLE001 - told to the other side, in full
            error = raised
        finally:
            for link in (self.control_socket, self._wake_in, self._wake_out):
                if link is not None:
                    link.close()
            self._tell(LinkEnded(error))

    def connect(self) -> None:
        """Connect, and verify the server's certificate."""
        address = (self.host, self.port)
        tcp = socket.create_connection(address, timeout=self._timeout_s)
        self.control_socket = tcp  # closed by `run` if the handshake fails
        tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        tls = self._context.wrap_socket(tcp, server_hostname=self.host)
        self.control_socket = tls
        self._verify(tls.getpeercert(binary_form=True) or b"")
        tls.settimeout(0)
        self.connected = c.PYMUMBLE_CONN_STATE_AUTHENTICATING

    def loop(self) -> None:
        """Serve the connection; return when told to stop.

        Raises:
            OSError: the link was lost.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_in, selectors.EVENT_READ)
            selector.register(self.control_socket, selectors.EVENT_READ)
            while not self._stopping:
                write = selectors.EVENT_WRITE if self._unsent else 0
                selector.modify(self.control_socket, selectors.EVENT_READ | write)
                selector.select()
                with contextlib.suppress(BlockingIOError):
                    self._wake_in.recv(READ_BYTES)
                self.read_control_messages()
                self._flush()
            self._flush()  # the end of a talk spurt may be in it

    def read_control_messages(self) -> None:
        """Take in all that has come; pymumble splits it and parses the messages."""
        ended = False
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while piece := self.control_socket.recv(READ_BYTES):
                self.receive_buffer += piece
            ended = True
        super().read_control_messages()
        if ended:
            raise ConnectionResetError("the server closed the connection")

    def send_message(self, type: int, message: Any) -> None:  # noqa: ANN401
        """Send what pymumble itself asks the server for."""
        body = message.SerializeToString()
        self._posted.append(struct.pack("!HL", type, len(body)) + body)
        self._flush()

    def _flush(self) -> None:
        """Send what the link takes now; the rest stays for later."""
        while self._posted:
            self._unsent += self._posted.popleft()
        with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
            while self._unsent:
                del self._unsent[: self.control_socket.send(self._unsent)]

    def dispatch_control_message(self, type: int, message: bytes) -> None:
        """Let pymumble take in a message; tell what it has no callback for."""
        if type == c.PYMUMBLE_MSG_TYPES_REJECT:  # pymumble would lose the kind
            rejected = mumble_pb2.Reject.FromString(message)
            self._tell(Reject(kind=rejected.type, reason=rejected.reason))
        elif type == c.PYMUMBLE_MSG_TYPES_TEXTMESSAGE:  # pymumble: a thread for each
            self._text(mumble_pb2.TextMessage.FromString(message))
        elif type == c.PYMUMBLE_MSG_TYPES_PING:  # pymumble would ask the wall clock
            pong = mumble_pb2.Ping.FromString(message)
            self._tell(Ping(timestamp=pong.timestamp))
        else:
            super().dispatch_control_message(type, message)
        if type == c.PYMUMBLE_MSG_TYPES_SERVERSYNC:
            session, bandwidth = self.users.myself_session, self.server_max_bandwidth
            self._tell(ServerSync(session=session, max_bandwidth=bandwidth))
        elif type == c.PYMUMBLE_MSG_TYPES_USERSTATE:  # what pymumble tells nobody
            user = mumble_pb2.UserState.FromString(message)
            keys = ("comment", "hash")
            more = {key: getattr(user, key) for key in keys if user.HasField(key)}
            if more:
                self._tell(UserState(session=user.session, **more))
        elif type == c.PYMUMBLE_MSG_TYPES_SERVERCONFIG:
            self._tell(ServerConfig(message_length=self.server_max_message_length))

    def sound_received(self, message: bytes) -> None:
        """Pass a voice packet on as it is: it says whether it is the last one."""
        self._inbox.put(VoiceTunnel(bytes(message)))

    def _text(self, text: Any) -> None:  # noqa: ANN401
        self._inbox.put(
            TextMessage(
                actor=text.actor if text.HasField("actor") else None,
                session=tuple(text.session),
                channel_id=tuple(text.channel_id),
                tree_id=tuple(text.tree_id),
                message=text.message[:MAX_TEXT_CHARS],
            )
        )

    def _tell(self, news: News) -> None:
        self._inbox.put(news, droppable=False)

    def _user_changed(self, user: dict[str, Any], _new: object = None) -> None:
        keys = ("session", "name", "channel_id", "mute", "suppress")
        self._tell(UserState(**{key: user.get(key) for key in keys}))

    def _user_left(self, user: dict[str, Any], why: Any) -> None:  # noqa: ANN401
        actor = why.actor if why.HasField("actor") else None
        reason, ban = why.reason, why.ban
        self._tell(
            UserRemove(session=user["session"], actor=actor, reason=reason, ban=ban)
        )

    def _channel_changed(
        self, channel: dict[str, Any], _changes: object = None
    ) -> None:
        keys = ("channel_id", "parent", "name")
        self._tell(ChannelState(**{key: channel.get(key) for key in keys}))

    def _channel_gone(self, channel: dict[str, Any]) -> None:
        self._tell(ChannelRemove(channel_id=channel["channel_id"]))

    def _denied(self, what: Any) -> None:  # noqa: ANN401
        channel_id, reason, kind = what.channel_id, what.reason, what.type
        self._tell(PermissionDenied(channel_id=channel_id, reason=reason, kind=kind))
