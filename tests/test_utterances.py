"""Which frames a client sends, and where speech ends in a recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fake_room import tone
from trioagent.calling.utterances import (
    LEAD_FRAMES,
    Utterance,
    speech_frames,
    transmission,
)
from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from trioagent.calling.utterances import Frame, Release
    from trioagent.interfaces import Pcm

RATE_HZ = 16_000
PACKETS = {"#": 3000, ".": 0, "~": 60}
"""A frame of speech, of silence, of noise 34 dB below the speech."""


def recording(picture: str) -> Pcm:
    return np.concatenate([tone(PACKETS[p], 0.02) for p in picture])


def picture(frames: tuple[Frame, ...]) -> str:
    """`#` is speech, `h` the lead or the hold, `_` no packet, `|` a terminator."""
    drawn = ""
    for frame in frames:
        sent = "#" if frame.is_speech else "h"
        drawn += ("_" if frame.pcm is None else sent) + "|" * frame.ends_talk
    return drawn


@pytest.mark.parametrize(
    ("release", "said", "sent"),
    [
        ("ptt", "..####....", "hh####|"),
        ("ptt", "##....##..", "##hhhh##|"),
        ("none", "..####....", "hh####"),
        ("voice", "..####....", "hh####hhh|"),
        ("voice", "####", "####hhh|"),
        ("voice", "##...##", "##hhh##hhh|"),
        ("voice", "##....##", "##hhh|_##hhh|"),
        ("voice", "#......#......", "#hhh|___#hhh|"),
        ("voice", "~~~~~####~~~~", "hhh####hhh|"),
    ],
)
def test_client_sends(release: Release, said: str, sent: str) -> None:
    utterance = Utterance("it", recording(said), RATE_HZ)
    assert picture(transmission(utterance, release, hold_ms=60)) == sent


def test_hold_is_made_of_the_recording_and_then_of_silence() -> None:
    pcm = recording("####~")
    frames = transmission(Utterance("it", pcm, RATE_HZ), "voice", hold_ms=60)
    levels = [int(np.abs(frame.pcm).max()) for frame in frames if frame.pcm is not None]
    assert levels == [3000] * 4 + [60, 0, 0]


def test_no_hold_releases_on_the_last_speech() -> None:
    utterance = Utterance("it", recording("####.."), RATE_HZ)
    assert picture(transmission(utterance, "voice", hold_ms=0)) == "####|"


@pytest.mark.parametrize("level", [0, 5])
def test_silence_is_no_utterance(level: int) -> None:
    with pytest.raises(ConfigError, match=r"hum\.wav: there is only silence") as caught:
        transmission(Utterance("hum.wav", tone(level, 1.0), RATE_HZ))
    assert caught.value.hint


def test_nothing_is_no_utterance() -> None:
    with pytest.raises(ConfigError, match="only silence"):
        transmission(Utterance("nothing", tone(0, 0), RATE_HZ))


@pytest.mark.parametrize("noise", [0, 30, 300])
@pytest.mark.parametrize("gain", [0.02, 1.0, 3.0])
def test_speech_is_found_at_any_gain_and_above_noise(noise: int, gain: float) -> None:
    """Noise 20 dB below the speech, for half a second on each side of it."""
    random = np.random.default_rng(1)
    pcm = np.concatenate([tone(0, 0.5), tone(4000, 1.0), tone(0, 0.5)])
    noisy = (pcm + random.normal(0, noise, len(pcm))) * gain
    speech = speech_frames(noisy.astype(np.int16), RATE_HZ)
    assert np.flatnonzero(speech).tolist() == list(range(25, 75))


def test_recording_without_silence_is_all_speech() -> None:
    assert speech_frames(tone(3000, 1.0), RATE_HZ).all()


def test_soft_end_of_synthesized_speech_is_speech() -> None:
    """As the last sound of "yes": with no silence around, it could be the noise."""
    pcm = np.concatenate([tone(6000, 0.4), tone(600, 0.1)])
    utterance = Utterance("yes", pcm, RATE_HZ, noisy=False)
    assert picture(transmission(utterance, "ptt")) == "#" * 25 + "|"


def test_short_word_in_long_silence_is_found() -> None:
    pcm = np.concatenate([tone(0, 5.0), tone(2000, 0.02), tone(0, 5.0)])
    assert np.flatnonzero(speech_frames(pcm, RATE_HZ)).tolist() == [250]


@given(
    said=st.text("#.~", min_size=1, max_size=40).filter(lambda s: "#" in s),
    hold=st.integers(0, 12),
    release=st.sampled_from(["voice", "ptt", "none"]),
)
def test_whatever_is_said(said: str, hold: int, release: Release) -> None:
    utterance = Utterance("it", recording(said), RATE_HZ)
    frames = transmission(utterance, release, hold_ms=hold * 20)
    speech = speech_frames(utterance.pcm, RATE_HZ)
    # All speech is sent, once and in order.
    sent = [f.pcm for f in frames if f.is_speech and f.pcm is not None]
    kept = [p for p, loud in zip(said, speech, strict=True) if loud]
    assert [int(np.abs(pcm).max()) for pcm in sent] == [PACKETS[p] for p in kept]
    # Time is kept: the last speech comes as long after the first as it was said.
    (where,) = np.nonzero(speech)
    played = [i for i, f in enumerate(frames) if f.is_speech]
    lead = min(LEAD_FRAMES, int(where[0]))
    assert (played[0], played[-1]) == (lead, where[-1] - where[0] + lead)
    # A terminator is where packets end, and nowhere else.
    for i, frame in enumerate(frames):
        goes_on = i + 1 < len(frames) and frames[i + 1].pcm is not None
        ends = frame.pcm is not None and not goes_on and release != "none"
        assert frame.ends_talk == ends
    assert all(f.pcm is None or len(f.pcm) == 320 for f in frames)


@given(length=st.integers(1, 5000))
def test_no_sample_is_lost_whatever_the_length(length: int) -> None:
    pcm = np.full(length, 3000, dtype=np.int16)
    # The hold keeps a last frame that has too few samples to be loud.
    frames = transmission(Utterance("it", pcm, RATE_HZ), "voice", hold_ms=20)
    assert sum(int(np.count_nonzero(f.pcm)) for f in frames) == length
    assert {len(f.pcm) for f in frames if f.pcm is not None} == {320}
