"""When speech begins and whether it goes on: hysteresis over a detector's output.

The two thresholds and the resetting minimum length are those of silero's own
VADIterator (https://github.com/snakers4/silero-vad, utils_vad.py).
"""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class SpeechGate:
    """Speech or not, frame by frame, for one speaker."""

    start_probability: float
    stop_probability: float
    min_speech_s: float
    speaking: bool = False
    run_s: float = 0.0
    """How long the speech has lasted without a break."""

    def update(self, probability: float, duration_s: float) -> bool:
        """Take the next frame; return whether it is speech."""
        threshold = self.stop_probability if self.speaking else self.start_probability
        self.speaking = probability >= threshold
        self.run_s = self.run_s + duration_s if self.speaking else 0.0
        return self.speaking

    @property
    def onset(self) -> bool:
        """Whether there has been enough speech in a row to take it for somebody."""
        return self.speaking and self.run_s >= self.min_speech_s - 1e-9

    def reset(self) -> None:
        """There was silence that no frame told of."""
        self.speaking = False
        self.run_s = 0.0
