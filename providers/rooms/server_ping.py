"""Mumble's UDP ping: is a server there, and how full is it? Needs no login."""

from __future__ import annotations

import random
import struct

import attrs
import trio

REQUEST = struct.Struct(">IQ")
REPLY = struct.Struct(">IQIII")


@attrs.frozen
class ServerInfo:
    """What a Mumble server says about itself."""

    version: str
    users: int
    max_users: int
    bandwidth_bps: int


async def ping_server(host: str, port: int, timeout_s: float) -> ServerInfo | None:
    """Ask once; None if no answer comes within `timeout_s`.

    Servers may answer no pings (`allowping=false`), and one packet may get lost.
    """
    ident = random.getrandbits(64)
    try:
        with trio.fail_after(timeout_s):
            return await _ask(host, port, ident)
    except (OSError, trio.TooSlowError):  # no such host, nothing there, no answer
        await trio.lowlevel.checkpoint()
        return None


async def _ask(host: str, port: int, ident: int) -> ServerInfo:
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_DGRAM)
    family, kind, protocol, _, address = found[0]
    with trio.socket.socket(family, kind, protocol) as link:
        await link.connect(address)
        await link.send(REQUEST.pack(0, ident))
        while True:
            reply = await link.recv(64)
            if len(reply) == REPLY.size and REPLY.unpack(reply)[1] == ident:
                return _info(reply)


def _info(reply: bytes) -> ServerInfo:
    version, _, users, max_users, bandwidth = REPLY.unpack(reply)
    dotted = f"{version >> 16}.{version >> 8 & 255}.{version & 255}"
    return ServerInfo(dotted, users, max_users, bandwidth)
