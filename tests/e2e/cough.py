"""A cough, or what the agent's ears take for one: a short burst of voice and noise."""

from __future__ import annotations

import numpy as np

from tests.helpers_speech import say
from trioagent.calling.utterances import Utterance, rms
from trioagent.interfaces import HEARING_RATE_HZ, Pcm

COUGH_MS = 150
# Noise alone is no sound to silero, and with more of it a voice is none either.
NOISE = 0.3
SILENT = 500
SEED = 1


def cough() -> Utterance:
    """Return 150 ms of it: "hough" with noise, quick to rise and slow to fall."""
    return Utterance("(cough)", _burst(say("hough")), HEARING_RATE_HZ, noisy=False)


def _burst(voice: Pcm) -> Pcm:
    length = HEARING_RATE_HZ * COUGH_MS // 1000
    start = int(np.flatnonzero(np.abs(voice) > SILENT)[0])
    voiced = voice[start : start + length].astype(np.float64)
    noise = np.random.default_rng(SEED).normal(size=len(voiced))
    noise = np.convolve(noise, np.ones(6) / 6, "same")
    noise *= NOISE * rms(voice[start : start + length]) / noise.std()
    time = np.linspace(0, 1, len(voiced))
    envelope = np.minimum(1, np.minimum(time / 0.05, (1 - time) / 0.3))
    return np.clip((voiced + noise) * envelope, -32768, 32767).astype(np.int16)
