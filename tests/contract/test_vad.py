"""What every detector of voice activity must do, for each of ours."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np
import pytest

from providers.vad import rms, silero
from tests.helpers_speech import frames, say, silence
from trioagent.interfaces import Pcm, VadStream, VoiceActivityDetector

Open = Callable[[], AbstractAsyncContextManager[VoiceActivityDetector]]
SPEECH, SILENCE = 0.5, 0.35


def opened(provider: Any) -> Open:
    return lambda: provider.open(provider.options())


@pytest.fixture(
    params=[opened(silero.PROVIDER), opened(rms.PROVIDER)], ids=["silero", "rms"]
)
def open_vad(request: pytest.FixtureRequest) -> Open:
    found: Open = request.param
    return found


@pytest.fixture(scope="module")
def speech() -> Pcm:
    return np.concatenate([silence(0.5), say("open the window"), silence(1.0)])


def heard(stream: VadStream, pcm: Pcm) -> list[float]:
    return [stream.probability(frame) for frame in frames(pcm, stream.frame_samples)]


async def test_speech_is_more_likely_than_silence(open_vad: Open, speech: Pcm) -> None:
    async with open_vad() as vad:
        likely = heard(vad.stream(), speech)
    assert all(0 <= value <= 1 for value in likely)
    assert max(likely[:10]) < SILENCE
    assert max(likely) > SPEECH
    assert likely[-1] < SILENCE


async def test_each_speaker_is_heard_alone(open_vad: Open, speech: Pcm) -> None:
    async with open_vad() as vad:
        alone = heard(vad.stream(), speech)
        one, other = vad.stream(), vad.stream()
        pieces = frames(speech, one.frame_samples)
        among: list[float] = []
        for piece in pieces:
            other.probability(piece[::-1].copy())
            among.append(one.probability(piece))
    assert among == alone


async def test_what_was_forgotten_is_as_new(open_vad: Open, speech: Pcm) -> None:
    async with open_vad() as vad:
        stream = vad.stream()
        first = heard(stream, speech)
        stream.reset()
        assert heard(stream, speech) == first


async def test_its_input_is_left_alone(open_vad: Open, speech: Pcm) -> None:
    async with open_vad() as vad:
        before = speech.copy()
        speech.setflags(write=False)
        heard(vad.stream(), speech)
    assert np.array_equal(before, speech)
