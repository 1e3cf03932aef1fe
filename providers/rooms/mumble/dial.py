"""From a host name to a TLS connection whose certificate is trusted."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from providers.rooms.mumble import pins
from trioagent.config import MumbleConfig
from trioagent.errors import RoomRejected, RoomUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.rooms.mumble.control import TlsStream


def where(config: MumbleConfig) -> str:
    """Return "host:port", for people and for pins."""
    host = f"[{config.server}]" if ":" in config.server else config.server
    return f"{host}:{config.port}"


@attrs.define
class Patience:
    """How far an attempt to connect came, for the error if it takes too long."""

    config: MumbleConfig
    waiting_for: str = ""

    @contextmanager
    def limited(self) -> Iterator[None]:
        """Give the block `connect_timeout_s`.

        Raises:
            RoomUnreachable: the time is over; says what did not come.
        """
        timeout_s = self.config.connect_timeout_s
        with trio.move_on_after(timeout_s) as scope:
            yield
        if scope.cancelled_caught:
            raise RoomUnreachable(
                f"{where(self.config)} {self.waiting_for} within {timeout_s:g} s.",
                hint="Check mumble.server and mumble.port, and that the server runs.",
            )


async def dial(
    config: MumbleConfig, context: ssl.SSLContext, patience: Patience
) -> TlsStream:
    """Connect, and make sure that it is the server we trust. If cancelled, closes.

    Raises:
        RoomUnreachable: nobody there, or nobody who speaks TLS.
        RoomRejected: its certificate is not to be trusted.
        ConfigError: the file of pins cannot be used.
    """
    patience.waiting_for = "does not answer"
    tcp = await _connect(config)
    patience.waiting_for = "takes the connection but does not answer in TLS"
    stream = trio.SSLStream(
        tcp, context, server_hostname=config.server, https_compatible=True
    )
    try:
        await _shake_hands(config, stream)
        if config.trust == "pin":
            await _check_pin(config, stream)
    except BaseException:
        await trio.aclose_forcefully(stream)
        raise
    return stream


async def _connect(config: MumbleConfig) -> trio.SocketStream:
    try:
        return await trio.open_tcp_stream(config.server, config.port)
    except (socket.gaierror, UnicodeError) as error:
        raise RoomUnreachable(
            f"The host {config.server} does not resolve: {error}",
            hint="Check the spelling of mumble.server, and the network.",
        ) from error
    except OSError as error:
        raise RoomUnreachable(
            f"{where(config)} cannot be reached: {_reason(error)}",
            hint="Check mumble.server and mumble.port, and that the server runs.",
        ) from error


def _reason(error: BaseException) -> str:
    """Return why all of a host's addresses failed: what the first one said."""
    cause = error.__cause__
    while isinstance(cause, BaseExceptionGroup):
        cause = cause.exceptions[0]
    found = cause or error
    return (isinstance(found, OSError) and found.strerror) or str(found)


async def _shake_hands(config: MumbleConfig, stream: TlsStream) -> None:
    try:
        await stream.do_handshake()
    except trio.BrokenResourceError as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLCertVerificationError):
            raise RoomRejected(
                f"The certificate of {where(config)} is not trusted: "
                f"{cause.verify_message or cause}",
                hint='Most Mumble servers sign their own: use mumble.trust = "pin" to '
                'trust it on first use, or "ca" with mumble.ca_file.',
            ) from error
        raise RoomUnreachable(
            f"{where(config)} does not speak TLS, so it is no Mumble server: "
            f"{cause or error}",
            hint="Check mumble.port; Mumble's usual port is 64738.",
        ) from error


async def _check_pin(config: MumbleConfig, stream: TlsStream) -> None:
    certificate = stream.getpeercert(binary_form=True)
    if not certificate:
        raise RoomRejected(f"{where(config)} shows no certificate.")
    await trio.to_thread.run_sync(
        pins.check_pin, config.pin_file, where(config), certificate
    )
