"""Makes clean speech sound recorded: a room, a level, noise, and silence around it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tools.tiny_nemotron.speech import SAMPLE_RATE_HZ

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Samples = NDArray[np.floating[Any]]

ROOM_SHARE = 0.25
TILT_SHARE = 0.2
NOISE_SHARE = 0.75
COLOURED_SHARE = 0.6
COLOURED_TAPS = 64
LOUDEST_DB, QUIETEST_DB = 0.0, -22.0
SNR_DB = (8.0, 40.0)
# A client without pre-roll begins in the middle of a sound; one that pads begins with
# digital zeros; the others begin with the sound of the room.
ABRUPT_SHARE = 0.25
ZEROS_SHARE = 0.3


def silence(
    rng: np.random.Generator, low_s: float, high_s: float
) -> NDArray[np.float32]:
    """Return between `low_s` and `high_s` seconds of zeros."""
    return np.zeros(int(SAMPLE_RATE_HZ * rng.uniform(low_s, high_s)), np.float32)


def _room(speech: Samples, rng: np.random.Generator) -> Samples:
    """Add the decaying echo of a small room."""
    taps = int(SAMPLE_RATE_HZ * rng.uniform(0.03, 0.12))
    echo = rng.standard_normal(taps) * np.exp(-6 * np.arange(taps) / taps)
    echo[0] = rng.uniform(2, 6)
    return np.convolve(speech, echo / np.sqrt(np.sum(echo**2)))[: len(speech)]


def _noise(length: int, rng: np.random.Generator) -> Samples:
    """Return noise with a deviation of 1: white, or falling with frequency."""
    noise = rng.standard_normal(length)
    if rng.random() < COLOURED_SHARE:
        decay = rng.uniform(0.5, 0.97) ** np.arange(COLOURED_TAPS)
        noise = np.convolve(noise, decay)[:length]
    unit: Samples = noise / (noise.std() + 1e-9)
    return unit


def as_recorded(speech: Samples, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return `speech` as some microphone in some room would give it, in [-1, 1]."""
    if rng.random() < ROOM_SHARE:
        speech = _room(speech, rng)
    if rng.random() < TILT_SHARE:
        speech = np.convolve(speech, [1, rng.uniform(-0.6, 0.4)])[: len(speech)]
    peak = 10 ** (rng.uniform(QUIETEST_DB, LOUDEST_DB) / 20)
    speech = speech * peak / max(1e-4, float(np.abs(speech).max(initial=0)))
    if rng.random() < NOISE_SHARE:
        level = np.sqrt(np.mean(speech**2)) + 1e-5
        snr = 10 ** (rng.uniform(*SNR_DB) / 20)
        speech = speech + _noise(len(speech), rng) * level / snr
    return np.clip(speech, -1, 1).astype(np.float32)


def with_beginning(
    speech: NDArray[np.float32], rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Choose what comes before the speech.

    Returns digital zeros that stay zeros, and the speech, with or without silence
    before it, that is still to be made to sound recorded.
    """
    none = np.zeros(0, np.float32)
    kind = rng.random()
    if kind < ABRUPT_SHARE:
        return none, speech
    if kind < ABRUPT_SHARE + ZEROS_SHARE:
        return silence(rng, 0.1, 0.5), np.concatenate([silence(rng, 0, 0.2), speech])
    return none, np.concatenate([silence(rng, 0.15, 0.6), speech])
