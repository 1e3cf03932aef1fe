"""From the synthesizer's rate to the room's, piece by piece."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from trioagent.interfaces import Pcm, Speech, WordMark


@attrs.define(eq=False)
class PhraseResampler:
    """Resamples one phrase with soxr; equal rates pass through untouched."""

    source_hz: int
    target_hz: int
    _stream: Any = None

    def __attrs_post_init__(self) -> None:
        if self.source_hz != self.target_hz:
            import soxr  # noqa: PLC0415 - only where rates differ

            self._stream = soxr.ResampleStream(
                self.source_hz, self.target_hz, 1, dtype="int16", quality="MQ"
            )

    def push(self, speech: Speech) -> Speech:
        """The next piece; its word marks count at the target rate, too."""
        if self._stream is None:
            return speech
        return Speech(
            self._stream.resample_chunk(speech.pcm),
            tuple(
                WordMark(m.start_char, m.at_sample * self.target_hz // self.source_hz)
                for m in speech.words
            ),
        )

    def finish(self) -> Pcm:
        """What the filter still holds."""
        empty = np.zeros(0, np.int16)
        if self._stream is None:
            return empty
        rest: Pcm = self._stream.resample_chunk(empty, last=True)
        return rest
