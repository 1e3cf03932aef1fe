"""From packets and their times to the caller's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_room import AGENT, tone
from trioagent.calling.talk_spurts import (
    Interruption,
    SpurtLog,
    TalkSpurt,
    duration_s,
    interruption,
    reply_to,
    sound_of,
)
from trioagent.interfaces import VoicePacket

LEVELS = {"#": 3000, "f": 300, "s": 0}
"""A loud packet, a faded one, a silent one."""


def hear(picture: str, start_s: float = 0.0) -> list[TalkSpurt]:
    """One character is 20 ms; `.` is no packet, `|` a bare terminator, `!` a last one.

    Time goes on with `|` too.
    """
    log = SpurtLog()
    for i, packet in enumerate(picture):
        time = round(start_s + i * 0.02, 3)
        if packet == "|":
            log.add(VoicePacket(AGENT, tone(0, 0), True, time))
        elif packet == "!":
            log.add(VoicePacket(AGENT, tone(3000), True, time))
        elif packet != ".":
            log.add(VoicePacket(AGENT, tone(LEVELS[packet]), False, time))
    return log.spurts


def test_terminator_and_gap_end_a_spurt() -> None:
    gap, late = "." * 14, "." * 15  # 0.3 s from packet to packet, and more
    assert [len(s.packets) for s in hear("##|##")] == [2, 2]
    assert [len(s.packets) for s in hear("##!##")] == [3, 2]
    assert [len(s.packets) for s in hear(f"##{gap}##")] == [4]
    assert [len(s.packets) for s in hear(f"##{late}##")] == [2, 2]


@pytest.mark.parametrize("picture", ["", "|", "||", "...|"])
def test_bare_terminator_opens_no_spurt(picture: str) -> None:
    assert hear(picture) == []


def test_late_terminator_does_not_lengthen_the_spurt() -> None:
    (spurt,) = hear("###....|")
    assert spurt.closed
    assert duration_s([spurt]) == pytest.approx(0.06)


@pytest.mark.parametrize(
    ("heard", "said_from", "said_to", "reply_at"),
    [
        ("......####", 0, 3, 6),
        ("..####|..####", 0, 7, 9),  # the early one broke off
        ("..####|..####", 3, 4, 9),  # it spoke before us
        ("..##########", 0, 5, 2),  # began early and went on
        ("##########|####", 2, 5, 11),
        ("......ssssss|..####", 0, 3, 15),  # nothing to hear in the first
        ("......ss##", 0, 3, 6),  # silence first is the reply's own
        ("####|", 0, 5, None),
        ("......|", 0, 3, None),
    ],
)
def test_reply_is_found(
    heard: str, said_from: int, said_to: int, reply_at: int | None
) -> None:
    reply = reply_to(
        hear(heard), starts_after=said_from * 0.02, sounds_after=said_to * 0.02
    )
    starts = [round(spurt.start / 0.02) for spurt in reply]
    assert starts[:1] == ([] if reply_at is None else [reply_at])


@pytest.mark.parametrize(
    ("heard", "first", "last_speech", "duck", "stop"),
    [
        # What is interrupted at packet 10 fades at 14 and goes silent after 17.
        ("##############ffff|", 10, 20, 4, 7),
        ("##############ffff", 10, 20, 4, 7),
        # It goes on softly for longer than it was loud.
        ("############ffffffffffffffffffff|", 10, 40, 2, 21),
        # It stops without a fade: what was last heard counts for both.
        ("################|", 10, 20, 5, 5),
        ("################", 10, 20, 5, 5),
        # Silent packets are not heard: it stopped at 15, and was quiet from 16 on.
        ("################ssss|", 10, 20, 5, 5),
        # A fade that it takes back is no end: the last run counts.
        ("###########ff####ff|", 10, 25, 7, 8),
        # It pauses for the words and goes on while they last: ducked, not stopped.
        ("###############|.....#####|", 10, 30, 4, 15),
        # What follows the words is the answer to them.
        ("###############|.....#####|", 10, 20, 4, 4),
        # It was in a pause of its own: silent from the first packet on.
        ("##########sssss|", 10, 20, 0, 0),
        # Nothing came any more when we began.
        ("#####|", 10, 20, None, None),
        # Deaf: it keeps its level until long after the words.
        ("#" * 90, 10, 20, None, 79),
    ],
)
def test_interruption_is_measured(
    heard: str, first: int, last_speech: int, duck: int | None, stop: int | None
) -> None:
    expected = Interruption(
        duck_ms=None if duck is None else duck * 20.0,
        stop_ms=None if stop is None else stop * 20.0,
    )
    measured = interruption(hear(heard), first * 0.02, last_speech * 0.02)
    assert measured == expected


def test_sound_has_the_silence_between_spurts_but_no_jitter() -> None:
    log = SpurtLog()
    for time in (0.0, 0.035, 0.04):  # the second packet was late
        log.add(VoicePacket(AGENT, tone(3000), False, time))
    log.add(VoicePacket(AGENT, tone(0, 0), True, 0.05))
    log.add(VoicePacket(AGENT, tone(3000), False, 1.0))
    sound = sound_of(log.spurts)
    loud = np.flatnonzero(sound)
    assert len(sound) == 16_320
    assert loud.tolist() == [*range(960), *range(16_000, 16_320)]


def test_no_reply_has_no_sound() -> None:
    assert sound_of([]).shape == (0,)
    assert duration_s([]) == 0.0


def test_forgetting_keeps_the_spurt_that_may_go_on() -> None:
    log = SpurtLog(hear("##|##"))
    log.forget()
    log.add(VoicePacket(AGENT, tone(3000), False, 0.1))
    assert [len(s.packets) for s in log.spurts] == [3]
    # It began before what is said next, so it is no reply to that.
    assert reply_to(log.spurts, starts_after=0.09, sounds_after=0.09) == []


packets = st.text("#fs.|!", max_size=60)


@given(heard=packets, first=st.integers(0, 60), words=st.integers(0, 30))
def test_order_of_what_happened_holds(heard: str, first: int, words: int) -> None:
    spurts = hear(heard)
    measured = interruption(spurts, first * 0.02, (first + words) * 0.02)
    if measured.stop_ms is None:
        assert measured.duck_ms is None
    else:
        assert 0 <= (measured.duck_ms or 0) <= measured.stop_ms


@given(heard=packets)
def test_no_packet_is_lost_or_moved(heard: str) -> None:
    spurts = hear(heard)
    times = [packet.time for spurt in spurts for packet in spurt.packets]
    with_sound = [i for i, packet in enumerate(heard) if packet not in ".|"]
    assert times == [round(i * 0.02, 3) for i in with_sound]
    assert all(len(s.packets) == len(s.levels) > 0 for s in spurts)


@given(heard=packets, level=st.sampled_from([500, 1000, 9000]))
def test_numbers_do_not_depend_on_how_loud_the_agent_is(heard: str, level: int) -> None:
    spurts = hear(heard)
    louder = SpurtLog()
    for spurt in spurts:
        for i, packet in enumerate(spurt.packets):
            pcm = (packet.pcm * (level / 3000)).astype(np.int16)
            last = spurt.closed and i == len(spurt.packets) - 1
            louder.add(VoicePacket(AGENT, pcm, last, packet.time))
    measured = interruption(spurts, 0.2, 0.5)
    assert interruption(louder.spurts, 0.2, 0.5) == measured
