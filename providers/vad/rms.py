"""Voice activity by loudness alone: needs no model, and takes noise for speech.

Good for tests and for headsets in quiet rooms. `silero` is the one to use.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np
from attrs import validators as v

from trioagent.interfaces import FRAME_S, HEARING_RATE_HZ, VoiceActivityDetector
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trioagent.interfaces import Pcm

FRAME_SAMPLES = round(FRAME_S * HEARING_RATE_HZ)
FRAME_MS = FRAME_S * 1000


@attrs.frozen(kw_only=True)
class Options:
    """`[vad.rms]`."""

    threshold: float = attrs.field(default=500.0, validator=[v.gt(0), v.lt(32768)])
    """Root mean square of a frame's 16-bit samples from which it counts as speech."""
    hold_ms: float = attrs.field(default=100.0, validator=[v.ge(0), v.le(2000)])
    """How long it goes on counting as speech after it fell silent, to bridge words."""


class RmsStream:
    """One speaker's loudness."""

    def __init__(self, threshold: float, hold_frames: int) -> None:
        self._threshold = threshold
        self._hold_frames = hold_frames
        self._held = 0

    @property
    def frame_samples(self) -> int:
        """320 samples, 20 ms."""
        return FRAME_SAMPLES

    def probability(self, frame: Pcm) -> float:
        """1.0 while it is loud and for `hold_ms` after, else 0.0."""
        if frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"a frame has {FRAME_SAMPLES} samples, not {frame.shape}")
        # As floats: the square of a 16-bit sample does not fit into 16 bits.
        samples = frame.astype(np.float64)
        if float(samples @ samples) >= self._threshold**2 * FRAME_SAMPLES:
            self._held = self._hold_frames
            return 1.0
        if self._held:
            self._held -= 1
            return 1.0
        return 0.0

    def reset(self) -> None:
        """End the hold."""
        self._held = 0


@attrs.frozen
class Rms:
    """Streams that share a threshold."""

    options: Options

    def stream(self) -> RmsStream:
        """Start listening to one speaker."""
        hold_frames = round(self.options.hold_ms / FRAME_MS)
        return RmsStream(self.options.threshold, hold_frames)


@asynccontextmanager
async def open_rms(options: Options) -> AsyncGenerator[VoiceActivityDetector]:
    """There is nothing to load."""
    yield Rms(options)


PROVIDER: Provider[Options, VoiceActivityDetector] = Provider(
    options=Options, open=open_rms
)
