"""Voice without a network: the order of packets, speaking, hearing."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.opus import (
    Decoder,
    Encoder,
    OpusError,
)
from providers.rooms.mumble.hearing import Hearing
from providers.rooms.mumble.reorder import HOLD_S, Lost, Packet, Reorder
from providers.rooms.mumble.speaking import Speaking, allowed_bitrate_bps
from providers.rooms.mumble.voice_packets import VoiceIn, decode, encode_varint
from trioagent.interfaces import Pcm, Speaker

ANA = Speaker(7, "ana")


def _tone(hz: float, samples: int, rate_hz: int) -> Pcm:
    angle = 2 * np.pi * hz * np.arange(samples) / rate_hz
    return (8000 * np.sin(angle)).astype(np.int16)


def _packet(number: int, now: float = 0.0, *, last: bool = False) -> Packet:
    return Packet(2 * number, 2, b"%d" % number, last, now)


def _numbers(ready: list[Packet | Lost]) -> list[int | str]:
    return [
        int(piece.opus) if isinstance(piece, Packet) else f"lost {piece.duration_s}"
        for piece in ready
    ]


@pytest.mark.parametrize(
    ("came", "played"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 2, 1, 3], [0, 1, 2, 3]),
        ([0, 2, 3, 1, 4], [0, 1, 2, 3, 4]),
        ([0, 2, 3, 4, 5], [0, "lost 0.02", 2, 3, 4, 5]),
        ([0, 3, 4, 5], [0, "lost 0.04", 3, 4, 5]),
        ([0, 2, 3, 4, 1, 5], [0, "lost 0.02", 2, 3, 4, 5]),  # 1 is too late
        ([0, 0, 1, 1, 1, 2], [0, 1, 2]),
        ([0, 9, 10], [0, 9, 10]),  # too much to fill in
        ([0, 1, 300, 301], [0, 1, 300, 301]),
        ([300, 301, 0, 1], [300, 301, 0, 1]),  # another talk spurt
    ],
)
def test_order(came: list[int], played: list[int | str]) -> None:
    order = Reorder()
    ready = [
        piece
        for number in came
        for piece in order.push(_packet(number), in_order=False)
    ]
    assert _numbers(ready) == played


def test_a_packet_that_waits_is_released_by_the_clock() -> None:
    order = Reorder()
    order.push(_packet(0, 1.0), in_order=False)
    assert order.deadline() == math.inf
    assert order.push(_packet(2, 1.03), in_order=False) == []
    assert order.deadline() == pytest.approx(1.03 + HOLD_S)
    assert order.release(1.05) == []
    assert _numbers(order.release(1.03 + HOLD_S)) == ["lost 0.02", 2]
    assert order.deadline() == math.inf


def test_over_tcp_nothing_waits() -> None:
    order = Reorder()
    order.push(_packet(0), in_order=True)
    assert _numbers(order.push(_packet(2), in_order=True)) == ["lost 0.02", 2]


def test_a_new_spurt_starts_from_any_number_but_late_ones_do_not_start_one() -> None:
    order = Reorder()
    order.push(_packet(100, 1.0), in_order=False)
    order.push(_packet(102, 1.02, last=True), in_order=False)
    assert order.push(_packet(101, 1.03), in_order=False) != []
    assert order.push(_packet(99, 1.04), in_order=False) == []
    assert _numbers(order.push(_packet(130, 1.2), in_order=False)) == [130]
    assert _numbers(order.push(_packet(129, 2.5), in_order=False)) == [129]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.booleans()), max_size=60), st.booleans()
)
def test_every_order_plays_packets_once_and_forward(
    came: list[tuple[int, bool]], in_order: bool
) -> None:
    order, now, played = Reorder(), 0.0, 0
    newest = -1
    for number, last in came:
        now += 0.01
        packet = _packet(number, now, last=last)
        ready = [*order.release(now), *order.push(packet, in_order=in_order)]
        assert order.deadline() <= now + HOLD_S or order.deadline() == math.inf
        for piece in ready:
            if isinstance(piece, Lost):
                assert 0 < piece.duration_s <= 0.04
                continue
            played += 1
            assert piece.sequence > newest or newest - piece.sequence > 48
            newest = piece.sequence
    played += sum(isinstance(piece, Packet) for piece in order.release(now + HOLD_S))
    assert played + order.dropped == len(came)
    assert order.deadline() == math.inf


@given(st.permutations(range(1, 4)))
def test_near_packets_in_any_order_are_played_in_order(near: list[int]) -> None:
    order = Reorder()
    numbers = [0, *near, 4, 5, 6]
    ready = [p for n in numbers for p in order.push(_packet(n), in_order=False)]
    assert [n for n in _numbers(ready) if isinstance(n, int)] == list(range(7))


def _sent(packet: bytes) -> VoiceIn:
    voice = decode(packet[:1] + encode_varint(1) + packet[1:])
    assert isinstance(voice, VoiceIn)
    return voice


def test_the_sequence_counts_frames_in_a_spurt_and_time_between_spurts() -> None:
    speaking, frame = Speaking(), _tone(440, 480, 24_000)
    sent = [
        _sent(speaking.packet(frame, 24_000, 10 + index * 0.02, last=index == 2))
        for index in range(3)
    ]
    assert [voice.sequence for voice in sent] == [0, 2, 4]
    assert [voice.last for voice in sent] == [False, False, True]
    assert speaking.end(10.06) is None
    assert _sent(speaking.packet(frame, 24_000, 12.04, last=False)).sequence == 204
    end = speaking.end(12.06)
    assert end is not None
    assert _sent(end).last
    assert _sent(end).sequence == 206
    # A new spurt right after: never the same number twice.
    assert _sent(speaking.packet(frame, 24_000, 12.061, last=False)).sequence == 208


def test_a_short_frame_is_filled_and_a_long_one_refused() -> None:
    speaking = Speaking()
    voice = _sent(speaking.packet(_tone(440, 100, 24_000), 24_000, 0, last=False))
    assert len(Decoder(16_000).decode(voice.opus)) == 320
    with pytest.raises(OpusError):
        speaking.packet(_tone(440, 481, 24_000), 24_000, 0, last=False)


@pytest.mark.parametrize(
    ("wanted", "bandwidth", "allowed"),
    [
        (40_000, None, 40_000),
        (40_000, 72_000, 40_000),
        (96_000, 72_000, 56_000),
        (40_000, 10_000, 6_000),
    ],
)
def test_the_servers_bandwidth_is_kept(
    wanted: int, bandwidth: int | None, allowed: int
) -> None:
    assert allowed_bitrate_bps(wanted, bandwidth) == allowed


def _spurt(count: int) -> list[VoiceIn]:
    encoder = Encoder(16_000, 40_000)
    pcm = _tone(440, 320 * count, 16_000)
    frames = [encoder.encode(pcm[320 * index :][:320]) for index in range(count)]
    return [
        VoiceIn(ANA.id, 2 * index, opus, index == count - 1)
        for index, opus in enumerate(frames)
    ]


def test_only_who_is_in_our_channel_is_heard() -> None:
    hearing, voice = Hearing(), _spurt(1)[0]
    assert hearing.take(voice, 0, in_order=True) == []
    hearing.joined(ANA)
    (heard,) = hearing.take(voice, 3.5, in_order=True)
    assert (heard.speaker, heard.ends_talk, heard.time) == (ANA, True, 3.5)
    assert heard.pcm.shape == (320,)
    hearing.left(ANA)
    assert hearing.take(voice, 0, in_order=True) == []


def test_a_missing_packet_is_filled_in_by_its_length() -> None:
    hearing, spurt = Hearing(), _spurt(10)
    hearing.joined(ANA)
    heard = []
    for index, voice in enumerate(spurt):
        if index not in (4, 7, 8):
            heard += hearing.take(voice, index * 0.02, in_order=False)
    heard += hearing.release(hearing.deadline())
    assert sum(len(packet.pcm) for packet in heard) == 3200
    assert [packet.ends_talk for packet in heard].count(True) == 1
    assert heard[-1].ends_talk


def test_what_is_no_opus_is_dropped_and_counted() -> None:
    hearing = Hearing()
    hearing.joined(ANA)
    assert hearing.take(VoiceIn(ANA.id, 0, b"\xff\xff", False), 0, in_order=True) == []
    assert hearing.undecodable == 1
    (end,) = hearing.take(VoiceIn(ANA.id, 2, b"", True), 0, in_order=True)
    assert end.ends_talk
    assert len(end.pcm) == 0
