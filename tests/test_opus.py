"""Opus, against the library itself."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

import numpy as np
import pytest

from providers import opus
from providers.opus import (
    RATES_HZ,
    Decoder,
    Encoder,
    OpusError,
    library,
    next_rate_hz,
    packet_s,
)
from trioagent.errors import ProviderUnavailable

if TYPE_CHECKING:
    from trioagent.interfaces import Pcm


def _tone(hz: float, samples: int, rate_hz: int) -> Pcm:
    angle = 2 * np.pi * hz * np.arange(samples) / rate_hz
    return (8000 * np.sin(angle)).astype(np.int16)


def _loudest_hz(pcm: Pcm, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum)) * rate_hz / len(pcm)


@pytest.mark.parametrize("rate_hz", RATES_HZ)
def test_a_tone_survives_opus_from_each_rate_to_16_khz(rate_hz: int) -> None:
    encoder, decoder = Encoder(rate_hz, 40_000), Decoder(16_000)
    pcm = _tone(440, rate_hz, rate_hz)
    size = encoder.frame_samples
    packets = [encoder.encode(pcm[at : at + size]) for at in range(0, len(pcm), size)]
    heard = np.concatenate([decoder.decode(packet) for packet in packets])
    assert len(heard) == 16_000
    assert heard.dtype == np.int16
    assert _loudest_hz(heard[1600:], 16_000) == pytest.approx(440, abs=2)
    assert {packet_s(packet) for packet in packets} == {0.02}
    assert sum(map(len, packets)) * 8 < 60_000


def test_a_lost_packet_is_concealed() -> None:
    encoder, decoder = Encoder(16_000, 40_000), Decoder(16_000)
    pcm = _tone(440, 3200, 16_000)
    for at in range(0, 3200, 320):
        decoder.decode(encoder.encode(pcm[at : at + 320]))
    concealed = decoder.decode(None, 0.04)
    assert len(concealed) == 640
    assert np.abs(concealed[:320]).max() > 2000


def test_what_opus_does_not_take_is_refused() -> None:
    with pytest.raises(OpusError, match="321"):
        Encoder(16_000, 40_000).encode(np.zeros(321, np.int16))
    for packet in (b"", b"\xff\xff\xff"):
        with pytest.raises(OpusError):
            Decoder(16_000).decode(packet)
    with pytest.raises(OpusError):
        Encoder(44_100, 40_000)
    with pytest.raises(OpusError):
        packet_s(b"")


def test_codecs_are_freed_once() -> None:
    for codec in (Encoder(16_000, 40_000), Decoder(16_000)):
        codec.close()
        codec.close()
    del codec
    gc.collect()


@pytest.mark.parametrize(
    ("source", "rate"),
    [(8_000, 8_000), (11_025, 12_000), (22_050, 24_000), (96_000, 48_000)],
)
def test_the_next_rate_loses_nothing(source: int, rate: int) -> None:
    assert next_rate_hz(source) == rate


def test_without_the_library_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    library.cache_clear()
    with monkeypatch.context() as patched:
        patched.setattr(opus, "_candidates", lambda: iter(["libnone.so.0"]))
        with pytest.raises(ProviderUnavailable) as caught:
            Decoder(16_000)
    gc.collect()  # the half-made one is freed, too
    assert "libopus0" in caught.value.hint
