"""The audio of Wyoming clients, in whatever format, as recognizers take it."""

from __future__ import annotations

from typing import Any

import attrs
import numpy as np

from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speech
from trioagent.resampling import PhraseResampler
from trioagent.serving.inbox import Refused

MAX_RATE_HZ = 192_000
MAX_CHANNELS = 8


@attrs.frozen
class AudioFormat:
    """The format of an `audio-start` or `audio-chunk`."""

    rate_hz: int
    width: int
    channels: int

    @classmethod
    def of(cls, data: dict[str, Any]) -> AudioFormat:
        """Read it.

        Raises:
            Refused: it is none that we take: 16 bits, up to 8 channels.
        """
        read = [data.get(key) for key in ("rate", "width", "channels")]
        if not all(type(value) is int for value in read):
            raise Refused("audio-format", "audio needs a rate, a width and channels")
        rate_hz, width, channels = (int(value or 0) for value in read)
        if width != 2:
            raise Refused("audio-format", f"audio must have 16 bits, not {8 * width}")
        if not 1000 <= rate_hz <= MAX_RATE_HZ or not 1 <= channels <= MAX_CHANNELS:
            text = f"audio of {rate_hz} Hz and {channels} channels cannot be used"
            raise Refused("audio-format", text)
        return cls(rate_hz, width, channels)


@attrs.define(eq=False)
class Intake:
    """One utterance's audio, made mono and `HEARING_RATE_HZ`."""

    format: AudioFormat
    seconds: float = 0.0
    """How much there was."""
    _rest: bytes = b""
    _resampler: PhraseResampler = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._resampler = PhraseResampler(self.format.rate_hz, HEARING_RATE_HZ)

    def take(self, payload: bytes) -> Pcm:
        """The next bytes, cut anywhere."""
        data = self._rest + payload
        whole = len(data) - len(data) % (2 * self.format.channels)
        self._rest = data[whole:]
        pcm = np.frombuffer(data[:whole], "<i2")
        self.seconds += len(pcm) / self.format.channels / self.format.rate_hz
        if self.format.channels > 1:
            mean = pcm.reshape(-1, self.format.channels).mean(axis=1)
            pcm = mean.astype(np.int16)
        return self._resampler.push(Speech(pcm)).pcm

    def finish(self) -> Pcm:
        """What the resampler still holds."""
        return self._resampler.finish()
