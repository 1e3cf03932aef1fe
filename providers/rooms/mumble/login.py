"""From a connection to a place in a channel: version, name, password, channel."""

from __future__ import annotations

import platform
from typing import TYPE_CHECKING

import attrs
import trio

from providers.redaction import redacted
from providers.rooms.mumble.control import ControlStream, LinkDown
from providers.rooms.mumble.dial import Patience, where
from providers.rooms.mumble.messages import (
    Authenticate,
    CryptSetup,
    Message,
    PermissionDenied,
    Reject,
    ServerSync,
    UserRemove,
    UserState,
    Version,
)
from providers.rooms.mumble.plain import short
from providers.rooms.mumble.state import NoSuchChannel, ServerState
from providers.rooms.mumble.wire import ProtocolError
from trioagent.errors import RoomRejected, RoomUnreachable

if TYPE_CHECKING:
    from trioagent.config import MumbleConfig

# 1.4.0: servers up to today speak the voice format of that time to such a client.
_ANNOUNCED_VERSION = 1 << 16 | 4 << 8
_BOT = 1

_NAME_IN_USE = 5
_REJECTIONS: dict[int, tuple[str, str]] = {
    1: ("wrong version", "The server wants a newer or older protocol."),
    2: (
        "invalid user name",
        "Choose another mumble.user; most servers want it without blanks.",
    ),
    3: ("wrong password of the user", "Check mumble.password and the certificate."),
    4: ("wrong server password", "Check mumble.password."),
    5: ("name in use", "Choose another mumble.user."),
    6: ("server full", "Try again when somebody has left."),
    7: ("certificate required", "Set mumble.certificate_file and mumble.key_file."),
    8: ("the server's authenticator failed", "Ask whoever runs the server."),
    9: ("no new connections", "Ask whoever runs the server."),
}
_DENIALS = {
    1: "it may not be entered",
    7: "it wants a client certificate",
    9: "it is full",
}


class NameInUse(RoomRejected):
    """Somebody has our name; right after a loss that may be our own ghost."""


@attrs.frozen(eq=False)
class Session:
    """A connection that is logged in and in its channel."""

    control: ControlStream
    state: ServerState
    crypt_setup: CryptSetup


async def log_in(
    control: ControlStream, config: MumbleConfig, patience: Patience
) -> Session:
    """Log in; return once all channels and users are known.

    Raises:
        RoomRejected: the server said no, and why.
        RoomUnreachable: it closed the connection, or is no Mumble server.
    """
    patience.waiting_for = "answers in TLS, but not as a Mumble server,"
    await _send(
        control,
        config,
        Version(
            version_v1=_ANNOUNCED_VERSION,
            release="trioagent",
            os=platform.system(),
            os_version=platform.release(),
        ),
        Authenticate(
            username=config.user,
            password=config.password,
            tokens=config.tokens,
            opus=True,
            client_type=_BOT,
        ),
    )
    state, crypt_setup = ServerState(), CryptSetup()
    while True:
        message = await _receive(control, config)
        patience.waiting_for = "did not let us in"
        state.apply(message)
        match message:
            case Reject():
                raise _rejected(message, config)
            case CryptSetup():
                crypt_setup = message
            case ServerSync():
                return Session(control, state, crypt_setup)
            case _:
                pass


async def join(
    session: Session, config: MumbleConfig, path: str, patience: Patience
) -> None:
    """Enter the channel at `path`; empty: stay where the server put us.

    Raises:
        RoomRejected: there is no such channel, or it may not be entered.
        RoomUnreachable: the connection was lost.
    """
    state = session.state
    await trio.lowlevel.checkpoint()
    if config.comment:
        about = UserState(session=state.session, comment=config.comment)
        await _send(session.control, config, about)
    if not path:
        return
    try:
        channel_id = state.find(path)
    except NoSuchChannel as error:
        raise RoomRejected(
            f"{where(config)}: {error}", hint="Check mumble.channel."
        ) from error
    if state.own.channel_id == channel_id:
        return
    patience.waiting_for = f'did not let us into the channel "{path}"'
    wish = UserState(session=state.session, channel_id=channel_id)
    await _send(session.control, config, wish)
    while state.own.channel_id != channel_id:
        message = await _receive(session.control, config)
        state.apply(message)
        if isinstance(message, PermissionDenied):
            raise _denied(message, config, path)
        if isinstance(message, UserRemove) and message.session == state.session:
            raise removed(message, state, config)


def removed(
    message: UserRemove, state: ServerState, config: MumbleConfig
) -> RoomRejected:
    """Return what our own removal from the server means."""
    by = state.users[message.actor].name if message.actor in state.users else ""
    return RoomRejected(
        f"{where(config)}: {'banned' if message.ban else 'removed from the server'}"
        + (f" by {by}" if by else "")
        + (f": {short(message.reason)}" if message.reason else "."),
        hint="Two agents cannot share a name: see mumble.user." if not by else "",
    )


def _rejected(message: Reject, config: MumbleConfig) -> RoomRejected:
    words, hint = _REJECTIONS.get(message.kind or 0, ("rejected", ""))
    kind = NameInUse if message.kind == _NAME_IN_USE else RoomRejected
    # The server knows them, and may say them back.
    said = redacted(short(message.reason), config.password, *config.tokens)
    reason = f" ({said})" if said else ""
    return kind(
        f'{where(config)} does not let "{config.user}" in: {words}{reason}.', hint=hint
    )


def _denied(message: PermissionDenied, config: MumbleConfig, path: str) -> RoomRejected:
    words = short(message.reason) or _DENIALS.get(
        message.kind or 0, "permission denied"
    )
    return RoomRejected(
        f'{where(config)} does not let us into the channel "{path}": {words}.',
        hint="Ask for the right to enter, or set mumble.tokens or "
        "mumble.certificate_file.",
    )


async def _send(
    control: ControlStream, config: MumbleConfig, *messages: Message
) -> None:
    try:
        await control.send_messages(*messages)
    except LinkDown as error:
        raise _broken_off(config, error) from error


async def _receive(control: ControlStream, config: MumbleConfig) -> Message:
    try:
        return await control.receive()
    except LinkDown as error:
        raise _broken_off(config, error) from error
    except ProtocolError as error:
        raise RoomUnreachable(
            f"{where(config)} is no Mumble server: it sent {error}.",
            hint="Check mumble.port; Mumble's usual port is 64738.",
        ) from error


def _broken_off(config: MumbleConfig, error: LinkDown) -> RoomUnreachable:
    return RoomUnreachable(
        f"{where(config)} broke off while we logged in: {error}.",
        hint="Servers do so to client certificates that an authority signed whom they "
        "do not know (self-signed ones are welcome)."
        if config.certificate_file
        else "Servers do so to addresses that they banned for a while.",
    )
