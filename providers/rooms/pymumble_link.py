"""A connection through pymumble's thread, in the place of the native one."""

from __future__ import annotations

import socket
import ssl
from functools import partial
from typing import TYPE_CHECKING, cast

import attrs
import trio

from providers.rooms.mumble import pins
from providers.rooms.mumble.control import ControlStream, LinkDown
from providers.rooms.mumble.dial import Patience, where
from providers.rooms.mumble.login import Session, join, log_in
from providers.rooms.mumble.wire import encode
from providers.rooms.pymumble_thread import LinkEnded, LinkReady, News, PymumbleThread
from trioagent.errors import RoomRejected, RoomUnreachable, TrioagentError
from trioagent.inbox import Inbox

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.rooms.mumble.messages import Message
    from trioagent.config import MumbleConfig

VOICE_WAITING = 500
"""Packets, ten seconds of one speaker, before the oldest is dropped."""

MOST_UNSENT_BYTES = 1 << 20
"""More does not wait for a server that takes nothing."""

CLOSE_GRACE_S = 0.2


@attrs.define(eq=False)
class PymumbleControl:
    """Messages in and out through pymumble's thread; see `ControlStream`."""

    _thread: PymumbleThread
    _inbox: Inbox[News]

    @property
    def figures(self) -> dict[str, int]:
        """What waits between pymumble's thread and us, of this connection."""
        return {
            "pymumble_peak": self._inbox.peak,
            "pymumble_dropped": self._inbox.dropped,
        }

    async def receive(self) -> Message | LinkReady:
        """Return what comes next.

        Raises:
            LinkDown: the connection ended.
        """
        try:
            news = await self._inbox.receive()
        except trio.EndOfChannel:
            raise LinkDown("too much came while we were busy") from None
        if isinstance(news, LinkEnded):
            self._inbox.put(news, droppable=False)  # for whoever asks again
            raise LinkDown(str(news.error)) from news.error
        return news

    async def send(self, data: bytes) -> None:
        """Give encoded messages to the thread.

        Raises:
            LinkDown: the server has taken nothing for long.
        """
        await trio.lowlevel.checkpoint()
        if self.unacknowledged_bytes() > MOST_UNSENT_BYTES:
            raise LinkDown("the server takes nothing")
        self._thread.post(data)

    async def send_messages(self, *messages: Message) -> None:
        """Give messages to the thread."""
        await self.send(b"".join(map(encode, messages)))

    def unacknowledged_bytes(self) -> int:
        """Return how much of what we sent has not reached the server yet."""
        return self._thread.unacknowledged_bytes()

    async def aclose(self) -> None:
        """End the connection and its thread; a stuck thread is left behind."""
        self._thread.stop()
        with trio.CancelScope(shield=True):  # bounded
            await trio.to_thread.run_sync(self._thread.join, CLOSE_GRACE_S)


async def connect(config: MumbleConfig, context: ssl.SSLContext, path: str) -> Session:
    """Connect, log in and enter the channel at `path`. If cancelled, closes all.

    Raises:
        RoomError, ConfigError: as the native client's `connect`.
    """
    patience = Patience(config)
    with patience.limited():
        control = await _dial(config, context, patience)
        try:
            # It has the methods that a session calls; without UDP, no others.
            session = await log_in(cast("ControlStream", control), config, patience)
            await join(session, config, path, patience)
        except BaseException:
            await control.aclose()
            raise
    return session


async def _dial(
    config: MumbleConfig, context: ssl.SSLContext, patience: Patience
) -> PymumbleControl:
    """Start a thread that connects; return when the server is verified."""
    patience.waiting_for = "does not answer, or not in TLS,"
    inbox: Inbox[News] = Inbox(VOICE_WAITING)
    # In Trio's own thread: pymumble ends with the thread that made it.
    thread = PymumbleThread(config, inbox, context, _verifier(config))
    control = PymumbleControl(thread, inbox)
    thread.start()
    try:
        await control.receive()  # LinkReady, or
    except LinkDown as down:
        raise _refused(config, down.__cause__) from down
    except BaseException:
        await control.aclose()
        raise
    return control


def _verifier(config: MumbleConfig) -> Callable[[bytes], None]:
    """Return what is to be done with a server's certificate, in the thread."""
    if config.trust == "pin":
        return partial(pins.check_pin, config.pin_file, where(config))
    return lambda _certificate: None  # the handshake has verified it


def _refused(config: MumbleConfig, error: BaseException | None) -> TrioagentError:
    """Return `error`, which ended the attempt to connect, in our words."""
    hint = "Check mumble.server and mumble.port, and that the server runs."
    match error:
        case TrioagentError():
            return error
        case socket.gaierror() | UnicodeError():
            said = f"The host {config.server} does not resolve: {error}"
        case ssl.SSLCertVerificationError():
            return RoomRejected(
                f"The certificate of {where(config)} is not trusted: "
                f"{error.verify_message or error}",
                hint='Most Mumble servers sign their own: use mumble.trust = "pin" to '
                'trust it on first use, or "ca" with mumble.ca_file.',
            )
        case ssl.SSLError() | ConnectionResetError():
            said = f"{where(config)} does not speak TLS, so it is no Mumble server"
        case _:
            said = f"{where(config)} cannot be reached: {error}"
    return RoomUnreachable(said, hint=hint)
