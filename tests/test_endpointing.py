from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trioagent.config import TurnConfig
from trioagent.decisions.endpointing import Endpointer, Speaking

CONFIG = TurnConfig(
    hold_ms=500,
    min_hold_ms=200,
    max_hold_ms=1200,
    packet_gap_ms=80,
    released_speech_ms=200,
    max_turn_s=60,
    pause_ms=120,
)
STARTED = 100.0
PACKET_S = 0.02
SOON_S = 1e-6


@attrs.define(eq=False)
class Talk:
    """An endpointer that hears packets in time, checked after each."""

    config: TurnConfig = CONFIG
    now: float = STARTED
    endpointer: Endpointer = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.endpointer = Endpointer(self.config, self.now)

    def packets(self, count: int, *, speech: bool, ends_talk: bool = False) -> Speaking:
        state = Speaking.SPEAKING
        for index in range(count):
            self.now += PACKET_S
            last = ends_talk and index == count - 1
            self.endpointer.heard(self.now, speech=speech, ends_talk=last)
            state = self.endpointer.state(self.now)
        return state

    def wait(self) -> list[tuple[float, Speaking]]:
        """Silence until the end: when each new state begins, in ms from now."""
        began, seen = self.now, []
        for _ in range(20):
            state = self.endpointer.state(self.now)
            if not seen or seen[-1][1] is not state:
                seen.append((round((self.now - began) * 1000, 3), state))
            if state is Speaking.ENDED:
                return seen
            wake_at = self.endpointer.wake_at(self.now)
            assert wake_at > self.now
            # Nothing is missed by sleeping until then.
            assert self.endpointer.state(wake_at - SOON_S) is state
            self.now = wake_at
        raise AssertionError(f"it never ends: {seen}")


@pytest.mark.parametrize(
    ("text", "hold_ms"),
    [
        ("", 500),
        ("turn on the light", 500),
        ("what time is it", 200),
        ("I am done.", 200),
        ("turn on the", 1200),
        ("I want milk,", 1200),
    ],
)
def test_a_turn_ends_exactly_at_the_hold_of_its_words(text: str, hold_ms: int) -> None:
    talk = Talk()
    talk.packets(50, speech=True)
    talk.endpointer.words(text)
    assert talk.wait() == [
        (0, Speaking.SPEAKING),
        (120, Speaking.PAUSED),
        (hold_ms, Speaking.ENDED),
    ]
    assert talk.endpointer.cause == "silence"


def test_silence_in_packets_counts_like_silence_without() -> None:
    talk = Talk()
    talk.packets(50, speech=True)
    assert talk.packets(5, speech=False) is Speaking.SPEAKING
    assert talk.packets(2, speech=False) is Speaking.PAUSED
    assert talk.packets(17, speech=False) is Speaking.PAUSED
    assert talk.packets(2, speech=False) is Speaking.ENDED
    assert talk.endpointer.cause == "silence"
    assert talk.endpointer.last_speech == pytest.approx(STARTED + 1.0)


def test_the_silence_before_and_after_a_terminator_is_one() -> None:
    talk = Talk()
    talk.packets(50, speech=True)
    talk.packets(10, speech=False, ends_talk=True)
    assert talk.wait() == [(0, Speaking.PAUSED), (300, Speaking.ENDED)]


def test_a_late_packet_is_no_pause() -> None:
    """Without a terminator, silence is only known once jitter is no explanation."""
    talk = Talk(attrs.evolve(CONFIG, pause_ms=20, min_hold_ms=40))
    talk.packets(50, speech=True)
    talk.endpointer.words("I am done.")
    seen = talk.wait()
    assert seen == [(0, Speaking.SPEAKING), (80, Speaking.ENDED)]


def test_a_terminator_tells_silence_from_jitter() -> None:
    talk = Talk(attrs.evolve(CONFIG, pause_ms=20, min_hold_ms=40))
    talk.packets(5, speech=True, ends_talk=True)
    talk.endpointer.words("I am done.")
    assert talk.wait() == [
        (0, Speaking.SPEAKING),
        (20, Speaking.PAUSED),
        (40, Speaking.ENDED),
    ]


@pytest.mark.parametrize(
    ("speech", "quiet", "cause"),
    [
        (50, 0, "released"),
        (50, 1, "released"),  # its own packet may be quiet already
        (12, 0, "released"),
        (9, 0, "silence"),  # a cough
        (50, 2, "silence"),
        (50, 10, "silence"),
    ],
)
def test_a_key_let_go_in_the_middle_of_speech_ends_the_turn_at_once(
    speech: int, quiet: int, cause: str
) -> None:
    talk = Talk()
    talk.packets(speech, speech=True, ends_talk=not quiet)
    talk.packets(quiet, speech=False, ends_talk=True)
    released = talk.endpointer.state(talk.now) is Speaking.ENDED
    assert released is (cause == "released")
    talk.wait()
    assert talk.endpointer.cause == cause


def test_a_terminator_without_audio_counts_as_the_end_of_what_came_before() -> None:
    talk = Talk()
    talk.packets(50, speech=True)
    talk.packets(1, speech=False, ends_talk=True)
    assert talk.endpointer.state(talk.now) is Speaking.ENDED
    assert talk.endpointer.cause == "released"


def test_speech_must_be_unbroken_before_the_key_is_let_go() -> None:
    talk = Talk()
    talk.packets(50, speech=True)
    talk.packets(1, speech=False)
    assert talk.packets(5, speech=True, ends_talk=True) is Speaking.SPEAKING


def test_a_new_talk_spurt_goes_on_after_a_short_one() -> None:
    talk = Talk()
    talk.packets(5, speech=True, ends_talk=True)
    talk.packets(5, speech=True)
    # It has spoken 200 ms in all, but only 100 ms since the last terminator.
    assert talk.packets(1, speech=True, ends_talk=True) is Speaking.SPEAKING
    assert talk.wait()[-1] == (500, Speaking.ENDED)


def test_words_that_come_in_the_silence_change_its_meaning() -> None:
    talk = Talk()
    talk.packets(50, speech=True)
    last = talk.now
    talk.endpointer.words("and then the")
    assert talk.endpointer.state(last + 0.9) is Speaking.PAUSED
    talk.endpointer.words("and then the bird sang.")
    assert talk.endpointer.state(last + 0.9) is Speaking.ENDED
    assert talk.endpointer.state(last + 0.15) is Speaking.PAUSED
    assert talk.endpointer.wake_at(last + 0.15) == pytest.approx(last + 0.2)


@pytest.mark.parametrize("text", ["I am done.", "turn on the", ""])
def test_a_hold_out_of_order_never_shortens_or_lengthens_the_wrong_way(
    text: str,
) -> None:
    config = attrs.evolve(CONFIG, hold_ms=300, min_hold_ms=900, max_hold_ms=100)
    endpointer = Endpointer(config, STARTED)
    endpointer.words(text)
    assert endpointer.hold_s == pytest.approx(0.3)


def test_endless_speech_is_cut_off() -> None:
    talk = Talk(attrs.evolve(CONFIG, max_turn_s=2))
    assert talk.packets(99, speech=True) is Speaking.SPEAKING
    assert talk.packets(2, speech=True) is Speaking.ENDED
    assert talk.endpointer.cause == "too long"


def test_silence_is_not_waited_for_beyond_the_longest_turn() -> None:
    talk = Talk(attrs.evolve(CONFIG, max_turn_s=1))
    talk.packets(40, speech=True)
    talk.endpointer.words("turn on the")
    assert talk.wait()[-1] == (200, Speaking.ENDED)
    assert talk.endpointer.cause == "too long"


def test_an_onset_that_nothing_follows_ends_by_the_hold() -> None:
    assert Talk().wait()[-1] == (500, Speaking.ENDED)


@given(
    st.lists(st.tuples(st.sampled_from([0.01, 0.02, 0.04, 0.06]), st.booleans())),
    st.sampled_from(["", "I am done.", "turn on the", "what time is it"]),
)
def test_it_never_ends_or_pauses_while_speech_comes(
    packets: list[tuple[float, bool]], text: str
) -> None:
    """Speech at least every 60 ms, with other packets between."""
    endpointer, now, last_speech = Endpointer(CONFIG, STARTED), STARTED, STARTED
    endpointer.words(text)
    for gap_s, is_speech in packets:
        now += gap_s
        # A pause needs 120 ms: force speech before it would be one.
        speech = is_speech or now - last_speech > 0.055
        last_speech = now if speech else last_speech
        endpointer.heard(now, speech=speech, ends_talk=False)
        assert endpointer.state(now) is Speaking.SPEAKING


@given(
    st.lists(
        st.tuples(st.sampled_from([0.02, 0.1, 0.3]), st.booleans(), st.booleans()),
        max_size=30,
    ),
    st.sampled_from(["", "I am done.", "turn on the"]),
)
def test_sleeping_until_wake_at_misses_nothing(
    packets: list[tuple[float, bool, bool]], text: str
) -> None:
    talk = Talk()
    talk.endpointer.words(text)
    for gap_s, speech, ends_talk in packets:
        talk.now += gap_s
        talk.endpointer.heard(talk.now, speech=speech, ends_talk=ends_talk)
    states = [state for _, state in talk.wait()]
    assert states == sorted(states, key=list(Speaking).index)


def test_nothing_to_wait_for_is_for_ever() -> None:
    endpointer = Endpointer(CONFIG, STARTED)
    assert endpointer.wake_at(STARTED + CONFIG.max_turn_s) == math.inf
