"""The UDP link on a real socket: what strangers and bad networks put into it."""

from __future__ import annotations

import random
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import attrs
import numpy as np
import pytest
import trio

from providers.opus import Encoder
from providers.rooms.mumble.hearing import Hearing
from providers.rooms.mumble.messages import CryptSetup
from providers.rooms.mumble.ocb2 import Ocb2
from providers.rooms.mumble.reorder import HOLD_S
from providers.rooms.mumble.sender import Sender
from providers.rooms.mumble.udp import LOST_TRACK
from providers.rooms.mumble.voice_packets import encode_varint
from providers.rooms.mumble.voice_path import VoicePath
from tests.e2e.murmur import until
from trioagent.interfaces import Speaker, VoicePacket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.rooms.mumble.control import ControlStream

KEY, OURS, THEIRS = b"k" * 16, b"o" * 16, b"t" * 16
ANA = Speaker(7, "ana")


@attrs.frozen
class Control:
    """As much of a connection as opening UDP beside it takes."""

    socket: trio.socket.SocketType


@attrs.define(eq=False)
class Wire:
    """Both ends: the server's socket and keys, and what we heard."""

    path: VoicePath
    hearing: Hearing
    server: socket.socket
    crypt: Ocb2
    heard: list[VoicePacket]
    packets: list[bytes]

    def send(self, *packets: bytes) -> None:
        for packet in packets:
            self.server.send(packet)

    def sealed(self, session: int, number: int) -> bytes:
        opus = self.packets[number % len(self.packets)]
        return self.crypt.encrypt(voice(session, 2 * number, opus))

    @property
    def asked(self) -> bool:
        """Whether the server was asked for its nonce."""
        statistics = self.path._sender._send.statistics()
        return statistics.current_buffer_used > 0

    @property
    def heard_samples(self) -> int:
        return sum(len(packet.pcm) for packet in self.heard)


def voice(session: int, sequence: int, opus: bytes) -> bytes:
    head = bytes((4 << 5,)) + encode_varint(session) + encode_varint(sequence)
    return head + encode_varint(len(opus)) + opus


@asynccontextmanager
async def wired() -> AsyncIterator[Wire]:
    """A UDP link to a server that is this test."""
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    address = listener.socket.getsockname()
    heard: list[VoicePacket] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(address)
        async with listener, await trio.open_tcp_stream(*address) as tcp:
            control = cast("ControlStream", Control(tcp.socket))
            hearing = Hearing()
            hearing.joined(ANA)
            path = VoicePath(Sender(control, 40_000), hearing, heard.append)
            path.open_udp(
                control, CryptSetup(key=KEY, client_nonce=OURS, server_nonce=THEIRS)
            )
            assert path._udp is not None
            server.connect(path._udp._raw.getsockname())
            async with trio.open_nursery() as nursery:
                nursery.start_soon(path.run)
                crypt = Ocb2(KEY, THEIRS, OURS)
                yield Wire(path, hearing, server, crypt, heard, _speech())
                nursery.cancel_scope.cancel()
            path.close()


def _speech() -> list[bytes]:
    encoder = Encoder(16_000, 24_000)
    hum = (np.sin(np.arange(320 * 50) / 9) * 9000).astype(np.int16)
    return [encoder.encode(hum[at : at + 320]) for at in range(0, len(hum), 320)]


async def test_forged_repeated_and_strange_packets_are_counted_and_not_heard() -> None:
    chance = random.Random(4)
    async with wired() as wire:
        honest = [wire.sealed(ANA.id, n) for n in range(10)]
        wire.send(*honest)
        await until(lambda: len(wire.heard) == 10)
        wire.send(*honest)  # all of them again
        wire.send(*(chance.randbytes(chance.randrange(1, 1500)) for _ in range(50)))
        wire.send(b"", chance.randbytes(5000))
        wire.send(wire.sealed(99, 0))  # a session that nobody has
        wire.send(wire.crypt.encrypt(b"\x80"), wire.crypt.encrypt(b"\xff" * 40))
        wire.send(wire.sealed(ANA.id, 10))
        await until(lambda: len(wire.heard) == 11)
        quality = wire.path.quality
        assert quality.good == 14
        assert quality.replayed >= 10
        assert quality.forged + quality.replayed == 10 + 52
        assert wire.hearing.counts["elsewhere"] == 1
        assert wire.path.refused == 1
        assert wire.heard_samples == 11 * 320


async def test_packets_of_another_address_do_not_even_come_in() -> None:
    async with wired() as wire:
        assert wire.path._udp is not None
        ours = wire.path._udp._raw.getsockname()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            stranger.sendto(b"not from the server", ours)
            stranger.sendto(wire.sealed(ANA.id, 0), ours)
        wire.send(wire.sealed(ANA.id, 1))
        await until(lambda: len(wire.heard) == 1)
        assert wire.path.quality.good == 1
        assert wire.path.quality.forged == 0


@pytest.mark.parametrize("seed", range(3))
async def test_a_shuffled_and_doubled_stream_is_heard_once_and_in_order(
    seed: int,
) -> None:
    chance = random.Random(seed)
    async with wired() as wire:
        sealed = [wire.sealed(ANA.id, n) for n in range(60)]
        wire.send(sealed[0])
        for at in range(1, len(sealed), 2):
            pair = sealed[at : at + 2]
            chance.shuffle(pair)
            wire.send(*pair, *pair[: chance.randrange(3)])
            await trio.sleep(0.002)
        await until(lambda: wire.path.quality.good == 60)
        await trio.sleep(2 * HOLD_S)
        assert wire.heard_samples == 60 * 320
        times = [packet.time for packet in wire.heard]
        assert len(times) == 60


async def test_what_comes_after_its_turn_was_filled_in_is_late() -> None:
    async with wired() as wire:
        sealed = [wire.sealed(ANA.id, n) for n in range(8)]
        wire.send(*sealed[:3], *sealed[4:])
        await until(lambda: len(wire.heard) == 8)  # one of them made up
        wire.send(sealed[3])
        await until(lambda: wire.hearing.counts["late"] == 1)
        assert wire.hearing.counts["filled_in"] == 1
        assert wire.heard_samples == 8 * 320


async def test_after_a_long_loss_the_server_is_asked_where_it_is_at_once() -> None:
    async with wired() as wire:
        wire.send(wire.sealed(ANA.id, 0))
        await until(lambda: len(wire.heard) == 1)
        for number in range(1, 200):  # a stall in which the socket overflowed
            wire.sealed(ANA.id, number)
        asked_at = trio.current_time()
        wire.send(*(wire.sealed(ANA.id, n) for n in range(200, 200 + LOST_TRACK)))
        await until(lambda: wire.asked)
        assert trio.current_time() - asked_at < 2
        nonce = wire.crypt.client_nonce
        wire.path.crypt_setup(CryptSetup(server_nonce=nonce))
        wire.send(wire.sealed(ANA.id, 300))
        await until(lambda: len(wire.heard) == 2)
        assert wire.path.quality.resyncs == 1
