"""Speech from espeak-ng, called inside this process: some 10 ms per sentence."""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING

import attrs
import espeakng_loader
import numpy as np
import soxr

from tools.tiny_nemotron.corpus import pick

if TYPE_CHECKING:
    from numpy.typing import NDArray

SAMPLE_RATE_HZ = 16_000

# Names and numbers below are those of espeak-ng's speak_lib.h.
AUDIO_OUTPUT_SYNCHRONOUS = 2
INITIALIZE_DONT_EXIT = 0x8000
CHARS_UTF8 = 1
POSITION_CHARACTER = 1
RATE, PITCH, RANGE = 1, 3, 4
BUFFER_MS = 200

ACCENTS = (
    # The two most used are here twice.
    *("en-us", "en-us", "gmw/en", "gmw/en"),
    *("gmw/en-GB-x-rp", "gmw/en-GB-scotland", "gmw/en-029", "gmw/en-US-nyc"),
)
SPEAKERS = (
    *("", "", "+m1", "+m2", "+m3", "+m4", "+m5", "+m7"),
    *("+f1", "+f2", "+f3", "+f4", "+klatt", "+klatt2"),
)


@attrs.frozen
class Voice:
    """How a sentence is spoken: espeak-ng's voice name, words a minute, pitch 0-99."""

    name: str = "en-us"
    words_per_minute: int = 165
    pitch: int = 50
    pitch_range: int = 50


def any_voice(rng: np.random.Generator) -> Voice:
    """Return a voice to train on: an accent, a speaker, a pace and a pitch."""
    return Voice(
        pick(rng, ACCENTS) + pick(rng, SPEAKERS),
        words_per_minute=int(rng.integers(120, 231)),
        pitch=int(rng.integers(25, 76)),
        pitch_range=int(rng.integers(20, 81)),
    )


class Espeak:
    """espeak-ng. Make one per process: the library keeps global state."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(espeakng_loader.get_library_path())
        data = str(espeakng_loader.get_data_path()).encode()
        self.rate_hz: int = self._library.espeak_Initialize(
            AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_MS, data, INITIALIZE_DONT_EXIT
        )
        if self.rate_hz <= 0:
            raise OSError(f"espeak-ng does not start with its data in {data!r}")
        receives = ctypes.CFUNCTYPE(
            ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
        )
        self._chunks: list[bytes] = []
        # The library keeps only the address: the object must live as long as we do.
        self._callback = receives(self._receive)
        self._library.espeak_SetSynthCallback(self._callback)

    def _receive(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def say(self, text: str, voice: Voice) -> NDArray[np.float32]:
        """Return `text` as speech: 16 kHz mono in [-1, 1]."""
        if self._library.espeak_SetVoiceByName(voice.name.encode()):
            raise ValueError(f"espeak-ng has no voice {voice.name!r}")
        self._library.espeak_SetParameter(RATE, voice.words_per_minute, 0)
        self._library.espeak_SetParameter(PITCH, voice.pitch, 0)
        self._library.espeak_SetParameter(RANGE, voice.pitch_range, 0)
        data = text.encode() + b"\0"
        self._chunks.clear()
        self._library.espeak_Synth(
            data,
            ctypes.c_size_t(len(data)),
            *(0, POSITION_CHARACTER, 0, CHARS_UTF8, None, None),
        )
        pcm = np.frombuffer(b"".join(self._chunks), np.int16)
        speech = pcm.astype(np.float32) / 32768
        resampled: NDArray[np.float32] = soxr.resample(
            speech, self.rate_hz, SAMPLE_RATE_HZ
        )
        return resampled
