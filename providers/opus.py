"""Opus, the voice codec, through ctypes: the system's libopus, or the copy PyAV brings.

Mono, 16-bit PCM in numpy arrays of shape (samples,). Encoding a 20 ms frame takes about
0.15 ms and decoding one 0.03 ms, so both are called on the event loop.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import importlib.util
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_void_p
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from trioagent.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.interfaces import Pcm

RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)

# opus_defines.h
_APPLICATION_VOIP = 2048
_SET_BITRATE, _SET_VBR, _SET_COMPLEXITY = 4002, 4006, 4010

# Half of the time of the default (10), and no difference is heard in speech.
_COMPLEXITY = 5
_MAX_PACKET_BYTES = 1275
_MAX_PACKET_S = 0.12

_SIGNATURES: dict[str, tuple[list[object], object]] = {
    "opus_encoder_create": ([c_int32, c_int, c_int, POINTER(c_int)], c_void_p),
    "opus_encoder_destroy": ([c_void_p], None),
    "opus_encode": ([c_void_p, c_char_p, c_int, c_char_p, c_int32], c_int32),
    # Variadic: what goes beyond these two types is passed as a C compiler would pass
    # it, which is not how fixed arguments go on every platform (arm64 macOS).
    "opus_encoder_ctl": ([c_void_p, c_int], c_int),
    "opus_decoder_create": ([c_int32, c_int, POINTER(c_int)], c_void_p),
    "opus_decoder_destroy": ([c_void_p], None),
    "opus_decode": ([c_void_p, c_char_p, c_int32, c_void_p, c_int, c_int], c_int),
    "opus_packet_get_nb_samples": ([c_char_p, c_int32, c_int32], c_int),
    "opus_strerror": ([c_int], c_char_p),
}


class OpusError(ValueError):
    """This is no Opus packet, or no frame that Opus takes."""


@functools.cache
def library() -> ctypes.CDLL:
    """Load libopus. Takes up to 0.1 s the first time: call it in a thread.

    Raises:
        ProviderUnavailable: there is none; says what to install.
    """
    for name in _candidates():
        try:
            lib = ctypes.CDLL(name)
        except OSError:
            continue
        for function, (argtypes, restype) in _SIGNATURES.items():
            entry = getattr(lib, function)
            entry.argtypes, entry.restype = argtypes, restype
        return lib
    raise ProviderUnavailable(
        "The Opus library (libopus) is not installed.",
        hint="apt-get install libopus0, or: pip install av (it brings a copy).",
    )


def next_rate_hz(source_rate_hz: int) -> int:
    """Return the lowest rate Opus takes that loses nothing of `source_rate_hz`."""
    return next((rate for rate in RATES_HZ if rate >= source_rate_hz), RATES_HZ[-1])


def packet_s(packet: bytes) -> float:
    """Return how long `packet` sounds, in seconds.

    Raises:
        OpusError: it is no Opus packet.
    """
    lib = library()
    samples = lib.opus_packet_get_nb_samples(packet, len(packet), 48_000)
    return int(_checked(lib, samples)) / 48_000


class Encoder:
    """Turns frames of 20 ms into packets: VOIP, variable bit rate, one talker."""

    _state: int | None = None

    def __init__(self, rate_hz: int, bitrate_bps: int) -> None:
        self._lib = library()
        error = c_int()
        self._state = self._lib.opus_encoder_create(
            rate_hz, 1, _APPLICATION_VOIP, byref(error)
        )
        _checked(self._lib, error.value)
        self.frame_samples = rate_hz // 50
        self._packet = ctypes.create_string_buffer(_MAX_PACKET_BYTES)
        self._set(_SET_VBR, 1)
        self._set(_SET_COMPLEXITY, _COMPLEXITY)
        self.set_bitrate(bitrate_bps)

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Aim at this many bits per second from the next frame on."""
        self._set(_SET_BITRATE, bitrate_bps)

    def encode(self, frame: Pcm) -> bytes:
        """Return `frame`, which has `frame_samples` samples, as one packet.

        Raises:
            OpusError: the frame has another length.
        """
        if len(frame) != self.frame_samples:
            raise OpusError(f"a frame of {len(frame)}, not {self.frame_samples}")
        pcm = np.ascontiguousarray(frame, np.int16).tobytes()
        size = self._lib.opus_encode(
            self._state, pcm, self.frame_samples, self._packet, _MAX_PACKET_BYTES
        )
        return self._packet.raw[: _checked(self._lib, size)]

    def close(self) -> None:
        """Free the encoder now; it is good for nothing afterwards."""
        if self._state is not None:
            self._lib.opus_encoder_destroy(self._state)
            self._state = None

    def __del__(self) -> None:
        self.close()

    def _set(self, request: int, value: int) -> None:
        _checked(
            self._lib, self._lib.opus_encoder_ctl(self._state, request, c_int(value))
        )


class Decoder:
    """Turns the packets of one talker into PCM at any rate Opus knows."""

    _state: int | None = None

    def __init__(self, rate_hz: int) -> None:
        self._lib = library()
        error = c_int()
        self._state = self._lib.opus_decoder_create(rate_hz, 1, byref(error))
        _checked(self._lib, error.value)
        self._rate_hz = rate_hz
        self._pcm = np.empty(int(rate_hz * _MAX_PACKET_S), np.int16)

    def decode(self, packet: bytes | None, lost_s: float = 0.02) -> Pcm:
        """Return what `packet` holds; for None, what may have been in `lost_s`.

        Raises:
            OpusError: it is no Opus packet.
        """
        if packet is None:
            samples = min(len(self._pcm), round(lost_s * self._rate_hz))
        elif not packet:  # libopus would take it for a lost one
            raise OpusError("an empty packet")
        else:
            samples = len(self._pcm)
        size = 0 if packet is None else len(packet)
        decoded = self._lib.opus_decode(
            self._state, packet, size, self._pcm.ctypes.data, samples, 0
        )
        return self._pcm[: _checked(self._lib, decoded)].copy()

    def close(self) -> None:
        """Free the decoder now; it is good for nothing afterwards."""
        if self._state is not None:
            self._lib.opus_decoder_destroy(self._state)
            self._state = None

    def __del__(self) -> None:
        self.close()


def _checked(lib: ctypes.CDLL, result: int) -> int:
    if result < 0:
        raise OpusError(lib.opus_strerror(result).decode())
    return result


def _candidates() -> Iterator[str]:
    # The soname first: `find_library` starts other programs to search.
    yield "libopus.so.0"
    found = ctypes.util.find_library("opus")
    if found:
        yield found
    spec = importlib.util.find_spec("av")
    if spec is not None and spec.origin is not None:
        site = Path(spec.origin).parent.parent
        yield from map(str, sorted(site.glob("av.libs/libopus*.so*")))
        yield from map(str, sorted(site.glob("av/.dylibs/libopus*.dylib")))
