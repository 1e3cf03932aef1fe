"""Packets that no honest peer sends: dropped, counted, and nobody else's trouble."""

from __future__ import annotations

import random

import numpy as np
import pytest
import trio

from providers.opus import Encoder
from providers.rooms.mumble.hearing import MAX_AHEAD_S, MAX_DECODERS, Hearing
from providers.rooms.mumble.inbox import MAX_EVENTS, MAX_TEXTS, EventInbox
from providers.rooms.mumble.ocb2 import Ocb2
from providers.rooms.mumble.voice_packets import VoiceIn
from trioagent.interfaces import (
    RoomEvent,
    Speaker,
    SpeakerJoined,
    SpeakerLeft,
    TextMessage,
    VoicePacket,
)

ANA, EVE = Speaker(2, "ana"), Speaker(3, "eve")
KEY, OURS, THEIRS = b"k" * 16, b"o" * 16, b"t" * 16


def _link() -> tuple[Ocb2, Ocb2]:
    """The server's end, which sends, and ours."""
    return Ocb2(KEY, THEIRS, OURS), Ocb2(KEY, OURS, THEIRS)


def test_forged_and_repeated_packets_are_dropped_and_counted() -> None:
    server, client = _link()
    packets = [server.encrypt(b"voice %d" % n) for n in range(100)]
    assert all(client.decrypt(packet) for packet in packets)
    assert [client.decrypt(packet) for packet in packets] == [None] * 100
    assert (client.quality.good, client.quality.replayed) == (100, 100)
    chance = random.Random(1)
    for packet in (server.encrypt(b"more") for _ in range(100)):
        bits = int.from_bytes(packet, "big") ^ 1 << chance.randrange(8 * len(packet))
        assert client.decrypt(bits.to_bytes(len(packet), "big")) is None
    assert client.decrypt(b"") is None
    # A flipped bit in the nonce's byte may also make it look repeated.
    assert client.quality.forged + client.quality.replayed == 201
    assert client.quality.forged > 80
    # None of that moved where we expect the server to be.
    assert client.decrypt(server.encrypt(b"honest")) == b"honest"


def test_what_comes_out_of_order_is_taken_once_and_the_too_late_not_at_all() -> None:
    server, client = _link()
    packets = [server.encrypt(b"voice %d" % n) for n in range(60)]
    shuffled = [*packets[20:40], *packets[:20], *packets[40:]]
    taken = [client.decrypt(packet) for packet in shuffled]
    # Packet 39 was there: 10 and later are within 30 of it.
    late = [packet for packet in taken if packet is None]
    assert len(late) == 10
    assert client.quality.replayed == 10
    assert client.quality.late == 10


def _spurt(session: int, count: int) -> list[VoiceIn]:
    encoder = Encoder(16_000, 40_000)
    pcm = np.random.default_rng(0).integers(-3000, 3000, 320 * count, np.int16)
    return [
        VoiceIn(session, 2 * n, encoder.encode(pcm[320 * n :][:320]), n == count - 1)
        for n in range(count)
    ]


def _heard_s(packets: list[VoicePacket]) -> float:
    return sum(len(packet.pcm) for packet in packets) / 16_000


def test_a_flood_of_one_voice_is_cut_to_what_a_voice_can_say() -> None:
    hearing = Hearing()
    hearing.joined(ANA)
    hearing.joined(EVE)
    flood, ana = _spurt(EVE.id, 10_000), _spurt(ANA.id, 500)
    heard: dict[str, list[VoicePacket]] = {"ana": [], "eve": []}
    for n, voice in enumerate(flood):  # 1,000 packets a second for ten seconds
        now = n / 1000
        heard["eve"] += hearing.take(voice, now, in_order=False)
        if n % 20 == 0:
            heard["ana"] += hearing.take(ana[n // 20], now, in_order=False)
    assert _heard_s(heard["ana"]) == pytest.approx(10.0)
    # What may be filled in for the packets that were cut out comes on top.
    assert _heard_s(heard["eve"]) < 2 * (10 * 1.25 + MAX_AHEAD_S)
    assert hearing.counts["flooding"] > 9000
    # It passes with the flood.
    after = hearing.take(
        VoiceIn(EVE.id, 10**6, flood[0].opus, False), 20, in_order=True
    )
    assert _heard_s(after) == pytest.approx(0.02)


def test_ends_without_speech_are_a_flood_too() -> None:
    hearing = Hearing()
    hearing.joined(EVE)
    ends = [
        event
        for n in range(10_000)
        for event in hearing.take(
            VoiceIn(EVE.id, n, b"", True), n / 1000, in_order=True
        )
    ]
    assert len(ends) < 2000


def test_what_piled_up_in_a_stall_is_heard() -> None:
    hearing, spurt = Hearing(), _spurt(ANA.id, 200)
    hearing.joined(ANA)
    heard = [p for voice in spurt for p in hearing.take(voice, 9.0, in_order=True)]
    assert _heard_s(heard) == pytest.approx(4.0)


@pytest.mark.parametrize("in_order", [True, False])
def test_sequence_numbers_of_no_sense_do_no_harm(in_order: bool) -> None:
    hearing = Hearing()
    hearing.joined(EVE)
    opus = _spurt(EVE.id, 1)[0].opus
    chance = random.Random(2)
    numbers = [0, 2**60, 2**64 - 1, 1, 2**63, 2**60 + 2, 3]
    numbers += [chance.randrange(2**64) for _ in range(500)]
    heard = []
    for step, number in enumerate(numbers):
        now = step * 0.02
        heard += hearing.release(now)
        voice = VoiceIn(EVE.id, number, opus, chance.random() < 0.2)
        heard += hearing.take(voice, now, in_order=in_order)
        assert hearing.deadline() >= now
    assert _heard_s(heard) <= 3 * 0.02 * len(numbers)


def test_garbage_is_counted_and_the_next_word_heard() -> None:
    hearing = Hearing()
    hearing.joined(EVE)
    chance = random.Random(3)
    now = 0.0
    for _ in range(3000):
        opus = chance.randbytes(chance.choice((1, 2, 3, 50, 1275, 8191)))
        last = chance.random() < 0.1
        number = chance.randrange(2**20)
        for packet in hearing.take(
            VoiceIn(EVE.id, number, opus, last), now, in_order=True
        ):
            assert len(packet.pcm) <= 0.12 * 16_000
        now += 0.1
    assert hearing.counts["undecodable"] > 100
    (heard,) = hearing.take(_spurt(EVE.id, 1)[0], now + 1, in_order=True)
    assert len(heard.pcm) == 320


def test_sessions_that_are_not_here_are_counted() -> None:
    hearing = Hearing()
    for voice in _spurt(99, 5):
        assert hearing.take(voice, 0, in_order=True) == []
    assert hearing.counts["elsewhere"] == 5


def test_thousands_who_spoke_once_do_not_keep_their_decoders() -> None:
    hearing, opus = Hearing(), _spurt(1, 1)[0].opus
    for session in range(1000):
        hearing.joined(Speaker(session, "x"))
        assert hearing.take(VoiceIn(session, 0, opus, True), 0, in_order=True)
    assert len(hearing._decoding) == MAX_DECODERS
    # Whoever lost theirs gets another one.
    (heard,) = hearing.take(VoiceIn(0, 2, opus, True), 0.02, in_order=True)
    assert len(heard.pcm) == 320
    hearing.close()


def _voice(speaker: Speaker, *, last: bool = False) -> VoicePacket:
    return VoicePacket(speaker, np.zeros(320, np.int16), last, 0.0)


def _rest(inbox: EventInbox) -> list[RoomEvent]:
    events = []
    while True:
        try:
            events.append(inbox.receive_nowait())
        except trio.WouldBlock:
            return events


def test_who_floods_an_agent_that_is_busy_loses_their_own_voice() -> None:
    inbox = EventInbox()
    for n in range(20 * MAX_EVENTS):
        inbox.put(_voice(EVE, last=n % 3 == 0))
        if n % 200 == 0:
            inbox.put(_voice(ANA))
    inbox.put(_voice(ANA, last=True))
    events = _rest(inbox)
    assert len(events) <= MAX_EVENTS
    assert inbox.peak <= MAX_EVENTS
    ana = [e for e in events if isinstance(e, VoicePacket) and e.speaker == ANA]
    assert len(ana) == 101
    assert ana[-1].ends_talk
    assert inbox.dropped == 20 * MAX_EVENTS + 101 - len(events)


def test_texts_are_dropped_beyond_a_few_and_never_who_comes_and_goes() -> None:
    inbox = EventInbox()
    inbox.put(TextMessage(ANA, "hello", private=False))
    for n in range(5000):
        inbox.put(SpeakerJoined(Speaker(n + 10, "x")))
        inbox.put(TextMessage(EVE, str(n), private=True))
        inbox.put(SpeakerLeft(Speaker(n + 10, "x")))
    events = _rest(inbox)
    texts = [event for event in events if isinstance(event, TextMessage)]
    assert texts[0].text == "hello"
    assert texts[-1].text == "4999"
    assert len(texts) <= MAX_TEXTS
    assert inbox.texts_dropped == 5001 - len(texts)
    assert len(events) == 10_000 + len(texts)
