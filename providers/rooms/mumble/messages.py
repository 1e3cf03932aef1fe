"""Mumble's control messages as values; `wire` turns them into bytes and back.

This is the subset that a voice client needs, with the numbers and types of Mumble's
protobuf description. A field that was not sent is None: updates name only what changed.
"""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import attrs

Kind = Literal["uint", "int", "bool", "float", "str", "bytes"]


def _field(number: int, kind: Kind, *, secret: bool = False) -> Any:  # noqa: ANN401 - stands for any default
    about = {"number": number, "kind": kind}
    return attrs.field(default=None, repr=not secret, metadata=about)


def _repeated(number: int, kind: Kind, *, secret: bool = False) -> Any:  # noqa: ANN401 - as above
    about = {"number": number, "kind": kind}
    return attrs.field(default=(), repr=not secret, metadata=about)


@attrs.frozen(kw_only=True)
class Version:
    """Which protocol the sender speaks."""

    type: ClassVar[int] = 0
    version_v1: int | None = _field(1, "uint")
    release: str | None = _field(2, "str")
    os: str | None = _field(3, "str")
    os_version: str | None = _field(4, "str")


@attrs.frozen
class VoiceTunnel:
    """A voice packet that came, or goes, over TCP. Its body is not protobuf."""

    type: ClassVar[int] = 1
    packet: bytes


@attrs.frozen(kw_only=True)
class Authenticate:
    """Who wants to log in."""

    type: ClassVar[int] = 2
    username: str | None = _field(1, "str")
    password: str | None = _field(2, "str", secret=True)
    tokens: tuple[str, ...] = _repeated(3, "str", secret=True)
    opus: bool | None = _field(5, "bool")
    client_type: int | None = _field(6, "int")


@attrs.frozen(kw_only=True)
class Ping:
    """Asks for the same back; tells how UDP fares."""

    type: ClassVar[int] = 3
    timestamp: int | None = _field(1, "uint")
    good: int | None = _field(2, "uint")
    late: int | None = _field(3, "uint")
    lost: int | None = _field(4, "uint")
    resync: int | None = _field(5, "uint")
    udp_packets: int | None = _field(6, "uint")
    tcp_packets: int | None = _field(7, "uint")
    udp_ping_avg: float | None = _field(8, "float")
    tcp_ping_avg: float | None = _field(10, "float")


@attrs.frozen(kw_only=True)
class Reject:
    """The server does not let us in."""

    type: ClassVar[int] = 4
    kind: int | None = _field(1, "int")
    reason: str | None = _field(2, "str")


@attrs.frozen(kw_only=True)
class ServerSync:
    """We are logged in, and know all channels and users."""

    type: ClassVar[int] = 5
    session: int | None = _field(1, "uint")
    max_bandwidth: int | None = _field(2, "uint")


@attrs.frozen(kw_only=True)
class ChannelRemove:
    """A channel is gone."""

    type: ClassVar[int] = 6
    channel_id: int | None = _field(1, "uint")


@attrs.frozen(kw_only=True)
class ChannelState:
    """A channel is new or changed."""

    type: ClassVar[int] = 7
    channel_id: int | None = _field(1, "uint")
    parent: int | None = _field(2, "uint")
    name: str | None = _field(3, "str")


@attrs.frozen(kw_only=True)
class UserRemove:
    """A user left, or was made to leave."""

    type: ClassVar[int] = 8
    session: int | None = _field(1, "uint")
    actor: int | None = _field(2, "uint")
    reason: str | None = _field(3, "str")
    ban: bool | None = _field(4, "bool")


@attrs.frozen(kw_only=True)
class UserState:
    """A user is new or changed; from us: a wish to change."""

    type: ClassVar[int] = 9
    session: int | None = _field(1, "uint")
    name: str | None = _field(3, "str")
    channel_id: int | None = _field(5, "uint")
    mute: bool | None = _field(6, "bool")
    suppress: bool | None = _field(8, "bool")
    comment: str | None = _field(14, "str")
    hash: str | None = _field(15, "str")


@attrs.frozen(kw_only=True)
class TextMessage:
    """A chat message to users or channels."""

    type: ClassVar[int] = 11
    actor: int | None = _field(1, "uint")
    session: tuple[int, ...] = _repeated(2, "uint")
    channel_id: tuple[int, ...] = _repeated(3, "uint")
    tree_id: tuple[int, ...] = _repeated(4, "uint")
    message: str | None = _field(5, "str")


@attrs.frozen(kw_only=True)
class PermissionDenied:
    """The server did not do what we asked for."""

    type: ClassVar[int] = 12
    channel_id: int | None = _field(2, "uint")
    reason: str | None = _field(4, "str")
    kind: int | None = _field(5, "int")


@attrs.frozen(kw_only=True)
class CryptSetup:
    """Keys of the UDP link; with `server_nonce` alone, or empty, a resync."""

    type: ClassVar[int] = 15
    key: bytes | None = _field(1, "bytes", secret=True)
    client_nonce: bytes | None = _field(2, "bytes")
    server_nonce: bytes | None = _field(3, "bytes")


@attrs.frozen(kw_only=True)
class ServerConfig:
    """Limits of the server."""

    type: ClassVar[int] = 24
    max_bandwidth: int | None = _field(1, "uint")
    message_length: int | None = _field(4, "uint")


Message = (
    Version
    | VoiceTunnel
    | Authenticate
    | Ping
    | Reject
    | ServerSync
    | ChannelRemove
    | ChannelState
    | UserRemove
    | UserState
    | TextMessage
    | PermissionDenied
    | CryptSetup
    | ServerConfig
)
