"""The UDP link to the server: one socket, encrypted, and whether it gets through."""

from __future__ import annotations

import math
import socket

import attrs
import trio

from providers.rooms.mumble.ocb2 import Ocb2
from providers.rooms.mumble.voice_packets import encode_ping

PING_S = 1.5
EAGER_PING_S = 0.5
"""Pings come this often until the first one is answered."""

EAGER_PINGS = 10
DEAD_AFTER_S = 5.0
"""Three pings were not answered: voice goes over TCP until one is."""

RESYNC_S = 1.0
"""Between two requests to be told where the server is."""

LOST_TRACK = 8
"""So many packets in a row that make no sense are no accident: the nonce has one byte,
so that a stall in which 128 packets are lost, which a crowd sends in a moment, is a
loss of track. Until the server tells, all that comes seems forged or repeated."""

MAX_AT_ONCE = 16
"""Packets that are taken before others may run; they take 0.1 ms each."""

_RECEIVE_BUFFER_BYTES = 1 << 20  # the kernel gives what it may
_MAX_PACKET_BYTES = 2048
_MICROSECONDS = 1_000_000


@attrs.define(eq=False)
class UdpLink:
    """Voice packets over UDP. Sending never waits; what does not go is gone."""

    _raw: socket.socket
    _socket: trio.socket.SocketType
    crypt: Ocb2
    round_trip_s: float | None = None
    pings: int = 0
    _answered_at: float = -math.inf
    _senseless: int = 0
    _asked_resync_at: float = -math.inf

    def alive(self, now: float) -> bool:
        """Whether packets get through, both ways."""
        return now - self._answered_at < DEAD_AFTER_S

    def send(self, packet: bytes) -> bool:
        """Encrypt and send at once. False: the network did not take it."""
        try:
            self._raw.send(self.crypt.encrypt(packet))
        except OSError:  # full, unreachable, refused: all the same to speech
            return False
        return True

    def ping(self, now: float) -> float:
        """Ask for an answer; return when to ask again."""
        self.send(encode_ping(int(now * _MICROSECONDS)))
        self.pings += 1
        eager = self.pings < EAGER_PINGS and not self.alive(now)
        return now + (EAGER_PING_S if eager else PING_S)

    def answered(self, timestamp: int, now: float) -> None:
        """Take note of the answer to a ping."""
        self._answered_at = now
        self.round_trip_s = max(0.0, now - timestamp / _MICROSECONDS)

    async def receive(self) -> list[bytes]:
        """Wait for packets; return those that have come, decrypted.

        Those that make no sense are left out.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        packets: list[bytes] = []
        try:
            packets.append(await self._socket.recv(_MAX_PACKET_BYTES))
            while len(packets) < MAX_AT_ONCE:
                packets.append(self._raw.recv(_MAX_PACKET_BYTES))
        except OSError:  # no more, or the answer to a packet that was not welcome
            pass
        return list(filter(None, map(self._understood, packets)))

    def _understood(self, packet: bytes) -> bytes | None:
        plain = self.crypt.decrypt(packet)
        self._senseless = self._senseless + 1 if plain is None else 0
        return plain

    def wants_resync(self, now: float) -> bool:
        """Whether to ask the server where it is now: we lost track of it."""
        if self._senseless < LOST_TRACK or now - self._asked_resync_at < RESYNC_S:
            return False
        self._asked_resync_at = now
        return True

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


def open_udp(beside: trio.socket.SocketType, crypt: Ocb2) -> UdpLink:
    """Return a UDP link to the server that the TCP socket `beside` is connected to.

    It leaves from the same address of ours, by which the server knows us.

    Raises:
        OSError: there is no UDP here.
    """
    raw = socket.socket(beside.family, socket.SOCK_DGRAM)
    try:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
        raw.setblocking(False)  # noqa: FBT003 - its only parameter
        own, peer = beside.getsockname(), beside.getpeername()
        raw.bind((own[0], 0, *own[2:]))
        raw.connect(peer)
        return UdpLink(raw, trio.socket.from_stdlib_socket(raw), crypt)
    except BaseException:
        raw.close()
        raise
