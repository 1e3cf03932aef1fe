from __future__ import annotations

import attrs
import numpy as np
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from tests.fakes import ANA
from trioagent.config import VadConfig
from trioagent.ear import (
    PRE_ROLL_PACKETS,
    UTTERANCE_PACKETS,
    Ear,
)
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speaker, VoicePacket
from trioagent.utterances import (
    AHEAD,
    CLEARED_PACKETS,
    HeardAudio,
    Utterance,
    Utterances,
)

MS = HEARING_RATE_HZ // 1000
CONFIG = VadConfig(min_speech_ms=60, pre_roll_ms=300)


@attrs.define(eq=False)
class Detector:
    """Speech is whatever is not zero; remembers what it was shown."""

    frame_samples: int = 20 * MS
    shown: list[Pcm] = attrs.Factory(list)
    resets: int = 0

    def probability(self, frame: Pcm) -> float:
        assert len(frame) == self.frame_samples
        self.shown.append(frame)
        return float(np.any(frame))

    def reset(self) -> None:
        self.resets += 1


@attrs.define(eq=False)
class Listener:
    """An ear, and the utterances that it opened."""

    config: VadConfig = CONFIG
    detector: Detector = attrs.Factory(Detector)
    now: float = 100.0
    utterances: list[Utterance] = attrs.Factory(list)
    ear: Ear = attrs.field(init=False)
    _sample: int = 0

    def __attrs_post_init__(self) -> None:
        self.ear = Ear(ANA, self.config, self._open, vad=self.detector)

    def _open(self, speaker: Speaker, utterance: Utterance) -> None:
        assert speaker == ANA
        self.utterances.append(utterance)

    def hear(self, pcm: Pcm, *, ends_talk: bool = False) -> None:
        self.now += len(pcm) / HEARING_RATE_HZ
        self.ear.hear(VoicePacket(ANA, pcm, ends_talk, self.now))

    def speech(self, ms: int, packet_ms: int = 20) -> None:
        """Samples count up, so that each can be told from the others."""
        for _ in range(ms // packet_ms):
            size = packet_ms * MS
            pcm = 1 + np.arange(self._sample, self._sample + size) % 30_000
            self._sample += size
            self.hear(pcm.astype(np.int16))

    def silence(self, ms: int) -> None:
        for _ in range(ms // 20):
            self.hear(np.zeros(20 * MS, np.int16))


def taken(utterance: Utterance) -> list[HeardAudio]:
    """What waits in an utterance."""
    heard = []
    while True:
        try:
            heard.append(utterance.receive_nowait())
        except (trio.WouldBlock, trio.EndOfChannel):
            return heard


def audio(heard: list[HeardAudio]) -> Pcm:
    return np.concatenate([h.pcm for h in heard])


def test_an_utterance_opens_with_enough_speech() -> None:
    listener = Listener()
    listener.speech(40)
    assert not listener.utterances
    listener.speech(20)
    assert len(listener.utterances) == 1
    listener.speech(200)
    assert len(listener.utterances) == 1


def test_short_sounds_open_none() -> None:
    listener = Listener()
    for _ in range(20):
        listener.speech(40)
        listener.silence(20)
    assert not listener.utterances


def test_no_first_word_is_lost_and_nothing_comes_twice() -> None:
    listener = Listener()
    listener.silence(1000)
    listener.speech(500)
    heard = audio(taken(listener.utterances[0]))
    assert len(heard) == (300 + 500) * MS
    assert not heard[: 300 * MS].any()
    assert np.array_equal(heard[300 * MS :], 1 + np.arange(500 * MS))


def test_packets_are_passed_on_as_they_came() -> None:
    listener = Listener()
    listener.speech(60)
    listener.silence(40)
    listener.hear(np.zeros(0, np.int16), ends_talk=True)
    heard = taken(listener.utterances[0])
    assert [h.speech for h in heard] == [True] * 3 + [False] * 3
    assert [h.ends_talk for h in heard] == [False] * 5 + [True]
    assert [h.time for h in heard] == pytest.approx(
        [100.02, 100.04, 100.06, 100.08, 100.1, 100.1]
    )


def test_what_was_said_before_a_gap_is_another_scene() -> None:
    listener = Listener()
    listener.silence(200)
    listener.speech(40)
    listener.now += 0.3
    before = listener.detector.resets
    listener.speech(40)
    assert not listener.utterances  # 40 ms and 40 ms are not 80 ms
    assert listener.detector.resets == before + 1
    listener.speech(20)
    assert len(audio(taken(listener.utterances[0]))) == 60 * MS


def test_a_short_gap_is_jitter() -> None:
    listener = Listener()
    listener.speech(40)
    listener.now += 0.1
    listener.speech(20)
    assert len(listener.utterances) == 1


@pytest.mark.parametrize("packet_ms", [10, 20, 40, 60])
@pytest.mark.parametrize("frame_ms", [20, 32])
def test_the_detector_sees_every_sample_once_in_its_own_frames(
    packet_ms: int, frame_ms: int
) -> None:
    listener = Listener(detector=Detector(frame_ms * MS))
    listener.speech(960, packet_ms)
    shown = np.concatenate(listener.detector.shown)
    assert np.array_equal(shown, 1 + np.arange(960 * MS))
    assert np.array_equal(audio(taken(listener.utterances[0])), shown)


def test_a_listener_who_has_heard_enough_gets_no_more() -> None:
    listener = Listener()
    listener.speech(200)
    listener.utterances[0].close()
    listener.speech(40)
    assert len(listener.utterances) == 1
    # The same speech, going on, needs a new onset; the packet that found the
    # listener gone is kept for it.
    listener.speech(40)
    assert len(listener.utterances) == 2
    rest = audio(taken(listener.utterances[1]))
    assert np.array_equal(rest, 1 + np.arange(200 * MS, 280 * MS))


def test_silence_after_a_listener_has_gone_opens_nothing() -> None:
    listener = Listener()
    listener.speech(200)
    listener.utterances[0].close()
    listener.silence(500)
    assert len(listener.utterances) == 1


def test_who_leaves_ends_the_utterance() -> None:
    listener = Listener()
    listener.speech(100)
    listener.ear.close()
    taken(listener.utterances[0])
    with pytest.raises(trio.EndOfChannel):
        listener.utterances[0].receive_nowait()
    listener.ear.close()


def test_a_listener_that_stalls_costs_packets_but_never_the_agent() -> None:
    listener = Listener()
    # Three packets more are the onset, and 30 find no room: the oldest 50 make it.
    listener.speech(20 * (UTTERANCE_PACKETS + 33))
    assert listener.ear.dropped == CLEARED_PACKETS
    assert listener.ear.peak == 3 + UTTERANCE_PACKETS
    heard = taken(listener.utterances[0])
    assert [p.dropped for p in heard if p.dropped] == [CLEARED_PACKETS]
    # The end of what was said is there, and nothing but its beginning is missing.
    said = np.concatenate(listener.detector.shown)
    kept = audio(heard)
    assert np.array_equal(kept, said[len(said) - len(kept) :])
    listener.speech(60)
    assert [p.dropped for p in taken(listener.utterances[0])] == [0, 0, 0]


def test_an_end_of_talk_is_not_dropped_with_the_audio_around_it() -> None:
    listener = Listener()
    listener.speech(200)
    listener.hear(np.zeros(0, np.int16), ends_talk=True)
    listener.speech(20 * 2 * UTTERANCE_PACKETS)
    heard = taken(listener.utterances[0])
    assert heard[0].ends_talk
    assert not any(packet.ends_talk for packet in heard[1:])


def test_a_flood_of_ends_of_talk_finds_an_end() -> None:
    listener = Listener()
    listener.speech(200)
    for _ in range(2 * UTTERANCE_PACKETS):
        listener.hear(np.zeros(0, np.int16), ends_talk=True)
    assert len(taken(listener.utterances[0])) <= 3 + UTTERANCE_PACKETS


def test_a_flood_of_empty_packets_is_not_kept() -> None:
    listener = Listener()
    for _ in range(2 * PRE_ROLL_PACKETS):
        listener.hear(np.zeros(0, np.int16), ends_talk=True)
    listener.speech(100)
    heard = taken(listener.utterances[0])
    assert len(audio(heard)) == 100 * MS
    assert len(heard) < 2 * PRE_ROLL_PACKETS


def test_a_long_pre_roll_of_short_packets_fits() -> None:
    config = VadConfig(min_speech_ms=2000, pre_roll_ms=3000)
    listener = Listener(config)
    for _ in range(400):
        listener.hear(np.zeros(10 * MS, np.int16))
    listener.speech(2500, packet_ms=10)
    heard = audio(taken(listener.utterances[0]))
    assert len(heard) >= (3000 + 2500) * MS
    assert np.array_equal(heard[-2500 * MS :], 1 + np.arange(2500 * MS) % 30_000)


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 12)), max_size=12),
    st.integers(0, 400),
)
def test_each_utterance_has_its_onset_and_the_pre_roll(
    runs: list[tuple[bool, int]], pre_roll_ms: int
) -> None:
    listener = Listener(VadConfig(min_speech_ms=60, pre_roll_ms=pre_roll_ms))
    everything, opened = [], None
    for speech, packets in runs:
        for _ in range(packets):
            (listener.speech if speech else listener.silence)(20)
            everything.append(listener.detector.shown[-1])
            if listener.utterances and opened is None:
                opened = len(everything)
    if opened is None:
        return
    heard = audio(taken(listener.utterances[0]))
    whole = np.concatenate(everything)
    # It is the end of all that was ever sent, from the pre-roll before the onset on.
    assert np.array_equal(heard, whole[len(whole) - len(heard) :])
    before_onset_ms = len(heard) // MS - 20 * (len(everything) - opened) - 60
    available_ms = 20 * opened - 60
    assert before_onset_ms >= min(pre_roll_ms, available_ms)
    assert before_onset_ms <= pre_roll_ms + 20


# --- an utterance --------------------------------------------------------------------


@attrs.define(eq=False)
class Heard:
    """Hears an utterance."""

    times: list[float] = attrs.Factory(list)
    dropped: int = 0
    gone: bool = False

    def hear(self, audio: HeardAudio) -> None:
        self.times.append(audio.time)
        self.dropped += audio.dropped

    def left(self) -> None:
        self.gone = True


def packet(time: float) -> HeardAudio:
    return HeardAudio(np.zeros(1, np.int16), speech=True, ends_talk=False, time=time)


def test_who_listens_late_hears_all_and_that_the_speaker_left() -> None:
    utterance, listener = Utterance(10), Heard()
    for time in range(3):
        utterance.put(packet(time))
    utterance.leave()
    utterance.show_to(listener)
    assert (listener.times, listener.gone) == ([0, 1, 2], True)


def test_the_most_that_ever_waited_is_kept() -> None:
    utterance = Utterance(10)
    for time in range(3):
        utterance.put(packet(time))
    for _ in range(3):
        utterance.receive_nowait()
    utterance.put(packet(3))
    assert utterance.peak == 3


def test_no_drop_is_forgotten_with_the_packet_that_told_of_it() -> None:
    utterance = Utterance(2 * CLEARED_PACKETS)
    for time in range(400):
        utterance.put(packet(time))
    waiting = Heard()
    utterance.show_to(waiting)
    assert len(waiting.times) + waiting.dropped == 400


def test_who_has_heard_enough_hears_no_more() -> None:
    utterance, listener = Utterance(10), Heard()
    utterance.show_to(listener)
    utterance.close()
    utterance.put(packet(0))
    assert listener.times == []
    utterance.close()
    with pytest.raises(trio.WouldBlock):
        utterance.receive_nowait()


def test_the_ear_of_one_too_many_learns_of_it() -> None:
    turns, more = Utterances(), Utterance(10)
    assert all(turns.put(Utterance(10)) for _ in range(AHEAD))
    assert not turns.put(more)
    assert more.closed
    turns.close()
