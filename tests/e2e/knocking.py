"""Knocking at a Mumble server, in as little of its protocol as that takes.

It shares no code with the clients, so that it cannot share their mistakes.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from providers.rooms.murmurd import Murmurd

VERSION, AUTHENTICATE, REJECT, SERVER_SYNC, CHANNEL_STATE = 0, 2, 4, 5, 7


@attrs.frozen
class Login:
    """What a server said to somebody who knocked."""

    accepted: bool
    channels: dict[int, tuple[int, str]]  # id: (parent, name)


async def log_in(server: Murmurd, user: str = "guest", password: str = "") -> Login:
    context = ssl.create_default_context(cafile=str(server.ca_file))
    tcp = await trio.open_tcp_stream(server.host, server.port)
    channels = {}
    async with trio.SSLStream(tcp, context, server_hostname=server.host) as tls:
        await tls.send_all(_message(VERSION, b"\x08" + _varint(0x10300)))
        words = _text(1, user) + _text(2, password)
        await tls.send_all(_message(AUTHENTICATE, words))
        while True:
            head = await _read(tls, 6)
            kind, size = int.from_bytes(head[:2]), int.from_bytes(head[2:])
            fields = _fields(await _read(tls, size))
            if kind == CHANNEL_STATE:
                name = bytes(fields[3]).decode()  # type: ignore[arg-type]
                channels[fields.get(1, 0)] = (fields.get(2, 0), name)
            elif kind in {REJECT, SERVER_SYNC}:
                return Login(kind == SERVER_SYNC, channels)  # type: ignore[arg-type]


async def _read(stream: trio.SSLStream[trio.SocketStream], size: int) -> bytes:
    await trio.lowlevel.checkpoint()
    data = b""
    while len(data) < size:
        piece = await stream.receive_some(size - len(data))
        assert piece, "the server hung up"
        data += piece
    return data


def _message(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2) + len(body).to_bytes(4) + body


def _text(field: int, text: str) -> bytes:
    data = text.encode()
    return bytes([field << 3 | 2]) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    low, rest = number & 0x7F, number >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _fields(body: bytes) -> dict[int, int | bytes]:
    """The last value of each protobuf field; enough for what is asked here."""
    fields: dict[int, int | bytes] = {}
    at = 0

    def number() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = body[at]
            at += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(body):
        tag = number()
        value: int | bytes = number()
        if tag & 7 == 2:
            end = at + int(value)
            value, at = body[at:end], end
        fields[tag >> 3] = value
    return fields
