"""The bytes of a speech answer, raw samples or a WAV file, as 16-bit mono samples.

Any split of the bytes gives the same samples. Nothing in here awaits.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import attrs
import numpy as np
import soxr

if TYPE_CHECKING:
    from trioagent.interfaces import Pcm

_SAMPLE_BYTES = 2
_PCM, _EXTENSIBLE = 1, 0xFFFE
_CHUNK_HEAD_BYTES = 8
_RIFF_HEAD_BYTES = 12
_MOST_HEADER_BYTES = 1 << 16
_COMPRESSED = {b"ID3": "MP3", b"OggS": "Ogg", b"fLaC": "FLAC", b"\x1aE\xdf\xa3": "WebM"}
_RATES_HZ = range(4_000, 192_001)


class NotSpeech(Exception):
    """The bytes are no 16-bit samples; says what they are."""


@attrs.define(eq=False)
class SpeechBytes:
    """Reads one answer. `rate_hz` is what comes out, and what raw samples have."""

    rate_hz: int
    source_hz: int = attrs.field(init=False)
    """Of the samples that arrive; known after the first of them."""
    _held: bytes = b""
    _channels: int = 1
    _in_header: bool = True
    _at: int = 0
    """In the header: where its next chunk begins."""
    _left: int | None = None
    """Bytes of the WAV's data that are still to come; None for up to the end."""
    _resampler: soxr.ResampleStream | None = None

    def __attrs_post_init__(self) -> None:
        self.source_hz = self.rate_hz

    def push(self, data: bytes) -> Pcm:
        """Add bytes; return the samples that are now whole, maybe none.

        Raises:
            NotSpeech: a compressed format, or a WAV file that is not 16-bit PCM.
        """
        self._held += data
        if self._in_header:
            self._read_header()
        if self._in_header:
            return np.zeros(0, np.int16)
        frame_bytes = _SAMPLE_BYTES * self._channels
        usable = len(self._held) if self._left is None else self._left
        usable = min(usable, len(self._held)) // frame_bytes * frame_bytes
        frames, self._held = self._held[:usable], self._held[usable:]
        if self._left is not None:
            self._left -= usable
            if self._left < frame_bytes:
                self._held = b""
        return self._resampled(self._mono(frames))

    def finish(self) -> Pcm:
        """The answer is complete: return what resampling held back.

        Half a sample at the end is dropped.

        Raises:
            NotSpeech: it ended inside the header of a WAV file.
        """
        if self._in_header and len(self._held) >= len(b"RIFF"):
            raise NotSpeech("a WAV file that ends before its samples")
        if self._resampler is None:
            return np.zeros(0, np.int16)
        return self._resampled(np.zeros(0, np.int16), last=True)

    def _read_header(self) -> None:
        # Four bytes tell; fewer are no speech either.
        if len(self._held) < len(b"RIFF"):
            return
        for magic, name in _COMPRESSED.items():
            if self._held.startswith(magic):
                raise NotSpeech(f"{name}, not raw samples")
        if not self._held.startswith(b"RIFF"):
            self._in_header = False
            return
        self._read_chunks()
        if self._in_header and len(self._held) > _MOST_HEADER_BYTES:
            raise NotSpeech("a WAV file without samples")

    def _read_chunks(self) -> None:
        # From where it ended the last time: a header may come byte by byte.
        self._at = max(self._at, _RIFF_HEAD_BYTES)
        while len(self._held) >= self._at + _CHUNK_HEAD_BYTES:
            name, size = struct.unpack_from("<4sI", self._held, self._at)
            at = self._at + _CHUNK_HEAD_BYTES
            if name == b"data":
                self._begin_data(at, size)
                return
            if len(self._held) < at + size:
                return
            if name == b"fmt ":
                self._read_format(self._held[at : at + size])
            self._at = at + size + size % 2

    def _begin_data(self, at: int, size: int) -> None:
        # Who streams does not know the length: 0, or more than there can be.
        is_known = 0 < size < 0x7FFF0000
        self._left = size if is_known else None
        self._held = self._held[at:]
        self._in_header = False

    def _read_format(self, chunk: bytes) -> None:
        if len(chunk) < 16:
            raise NotSpeech("a WAV file whose format is cut short")
        tag, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
        if tag not in (_PCM, _EXTENSIBLE) or bits != 8 * _SAMPLE_BYTES:
            raise NotSpeech(f"a WAV file of format {tag}, {bits} bits: not 16-bit PCM")
        if channels not in (1, 2) or rate_hz not in _RATES_HZ:
            raise NotSpeech(f"a WAV file with {channels} channels at {rate_hz} Hz")
        self._channels, self.source_hz = channels, rate_hz
        if rate_hz != self.rate_hz:
            self._resampler = soxr.ResampleStream(
                rate_hz, self.rate_hz, 1, dtype="int16", quality="MQ"
            )

    def _mono(self, frames: bytes) -> Pcm:
        samples = np.frombuffer(frames, "<i2")
        if self._channels == 1:
            return samples.astype(np.int16)
        mono: Pcm = samples.reshape(-1, self._channels).mean(axis=1).astype(np.int16)
        return mono

    def _resampled(self, pcm: Pcm, *, last: bool = False) -> Pcm:
        if self._resampler is None:
            return pcm
        resampled: Pcm = self._resampler.resample_chunk(pcm, last=last)
        return resampled
