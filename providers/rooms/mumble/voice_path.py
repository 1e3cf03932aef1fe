"""Which way voice goes: over UDP while that gets through, else through the TCP tunnel.

The server decides for its own direction by what it last got from us: a tunnelled packet
turns it to TCP, a voice packet over UDP turns it back.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

from providers.rooms.mumble.hearing import Hearing
from providers.rooms.mumble.messages import CryptSetup
from providers.rooms.mumble.ocb2 import LinkQuality, Ocb2
from providers.rooms.mumble.sender import Sender
from providers.rooms.mumble.udp import UdpLink, open_udp
from providers.rooms.mumble.voice_packets import PingEcho, VoiceIn, decode, encode_ping
from providers.rooms.mumble.wire import ProtocolError
from trioagent.interfaces import VoicePacket

if TYPE_CHECKING:
    from providers.rooms.mumble.control import ControlStream

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class VoicePath:
    """Voice of one connection, both ways.

    `received` counts packets of speech, `refused` those of no sense, which forged and
    repeated ones over UDP never get to be.
    """

    _sender: Sender
    _hearing: Hearing
    _heard: Callable[[VoicePacket], None]
    received: int = 0
    refused: int = 0
    _udp: UdpLink | None = None
    _over_udp: bool = False

    @property
    def over_udp(self) -> bool:
        """Whether our voice goes over UDP now."""
        return self._over_udp

    @property
    def quality(self) -> LinkQuality:
        """How the server's UDP packets came through."""
        return LinkQuality() if self._udp is None else self._udp.crypt.quality

    @property
    def round_trip_s(self) -> float | None:
        """Of the last ping over UDP that was answered."""
        return None if self._udp is None else self._udp.round_trip_s

    def open_udp(self, control: ControlStream, setup: CryptSetup) -> None:
        """Try UDP from now on, with the keys the server gave."""
        crypt = _crypt(setup)
        if crypt is None:
            return
        try:
            self._udp = open_udp(control.socket, crypt)
        except OSError as error:
            log.warning("No UDP, voice goes through the TCP tunnel: %s", error)

    def close(self) -> None:
        """Close the UDP socket."""
        if self._udp is not None:
            self._udp.close()

    def send(self, packet: bytes, *, last: bool) -> bool:
        """Send a voice packet at once. False: it is dropped, the link is stuck."""
        if self._udp is not None and self._over_udp:
            return self._udp.send(packet)
        return self._sender.put_voice(packet, last=last)

    def tunnelled(self, packet: bytes) -> None:
        """Take a packet that came over TCP."""
        self._take(packet, in_order=True)

    def crypt_setup(self, setup: CryptSetup) -> None:
        """Do what the server says about keys: new ones, or a resync."""
        if self._udp is None:
            return
        crypt = _crypt(setup)
        if crypt is not None:
            crypt.quality = self._udp.crypt.quality
            self._udp.crypt = crypt
        elif setup.server_nonce is not None:
            try:
                self._udp.crypt.resync(setup.server_nonce)
            except ValueError:
                self.refused += 1
        else:
            self._sender.put(CryptSetup(client_nonce=self._udp.crypt.client_nonce))

    async def run(self) -> None:
        """Read and watch UDP, if it is open. Ends by being cancelled."""
        await trio.lowlevel.checkpoint()
        if self._udp is None:
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._read, self._udp, name="mumble: UDP reader")
            nursery.start_soon(self._watch, self._udp, name="mumble: UDP pings")

    async def _read(self, udp: UdpLink) -> None:
        while True:
            packets: list[bytes] = []
            # Only UDP holds packets back, so only here somebody waits for them.
            with trio.move_on_at(self._hearing.deadline()):
                packets = await udp.receive()
            now = trio.current_time()
            for heard in self._hearing.release(now):
                self._heard(heard)
            for packet in packets:
                self._take(packet, in_order=False)
            if udp.wants_resync(now):
                self._sender.put(CryptSetup())

    async def _watch(self, udp: UdpLink) -> None:
        while True:
            now = trio.current_time()
            self._choose(udp, now)
            await trio.sleep_until(udp.ping(now))

    def _choose(self, udp: UdpLink, now: float) -> None:
        alive = udp.alive(now)
        if self._over_udp and not alive:
            log.warning("UDP is not answered; voice goes through the TCP tunnel.")
            self._sender.put_voice(encode_ping(0), last=True)  # turns the server, too
        elif alive and not self._over_udp:
            log.info("Voice goes over UDP.")
        self._over_udp = alive

    def _take(self, packet: bytes, *, in_order: bool) -> None:
        try:
            what = decode(packet)
        except ProtocolError:
            self.refused += 1
            return
        now = trio.current_time()
        if isinstance(what, VoiceIn):
            self.received += 1
            for heard in self._hearing.take(what, now, in_order=in_order):
                self._heard(heard)
        elif isinstance(what, PingEcho) and self._udp is not None and not in_order:
            self._udp.answered(what.timestamp, now)
            self._choose(self._udp, now)


def _crypt(setup: CryptSetup) -> Ocb2 | None:
    if not (setup.key and setup.client_nonce and setup.server_nonce):
        return None
    try:
        return Ocb2(setup.key, setup.client_nonce, setup.server_nonce)
    except ValueError:
        return None
