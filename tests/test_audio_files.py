"""Sound files as people have them: any rate, stereo, float, empty, or no sound."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np
import pytest
import soundfile

from trioagent.calling.audio_files import read_wav, resample, write_wav
from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    from trioagent.interfaces import Pcm


def sine(seconds: float, rate_hz: int, pitch_hz: float = 440.0) -> Pcm:
    time = np.arange(round(seconds * rate_hz)) / rate_hz
    return np.round(10_000 * np.sin(2 * np.pi * pitch_hz * time)).astype(np.int16)


def pitch_hz(pcm: Pcm, rate_hz: int) -> float:
    spectrum = np.abs(np.fft.rfft(pcm.astype(np.float64)))
    return float(np.argmax(spectrum)) * rate_hz / len(pcm)


def test_what_is_written_is_read_back_bit_for_bit(tmp_path: Path) -> None:
    pcm = np.array([0, 1, -1, 32767, -32768, 1234], dtype=np.int16)
    path = tmp_path / "reply.out"
    write_wav(path, pcm, 16_000)
    assert soundfile.info(path).format == "WAV"
    assert np.array_equal(read_wav(path, 16_000), pcm)


def test_written_wav_keeps_its_rate(tmp_path: Path) -> None:
    path = tmp_path / "reply.wav"
    write_wav(path, sine(0.1, 22_050), 22_050)
    assert soundfile.info(path).samplerate == 22_050


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 44_100, 48_000])
def test_any_rate_and_format_keeps_length_and_pitch(
    tmp_path: Path, suffix: str, rate_hz: int
) -> None:
    path = tmp_path / f"speech.{suffix}"
    soundfile.write(path, sine(1.0, rate_hz), rate_hz)
    pcm = read_wav(path, 16_000)
    assert pcm.dtype == np.int16
    assert len(pcm) == pytest.approx(16_000, abs=2)
    assert pitch_hz(pcm, 16_000) == pytest.approx(440, abs=2)
    assert np.abs(pcm[1000:-1000]).max() == pytest.approx(10_000, rel=0.05)


def test_stereo_is_mixed_and_the_log_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "stereo.wav"
    left, right = np.full(160, 1000), np.full(160, 3000)
    soundfile.write(path, np.stack([left, right], axis=1).astype(np.int16), 16_000)
    with caplog.at_level(logging.INFO):
        pcm = read_wav(path, 16_000)
    assert pcm.tolist() == [2000] * 160
    (record,) = caplog.records
    assert "stereo.wav: 2 channel(s) at 16000 Hz" in record.getMessage()


def test_a_file_that_fits_is_not_talked_about(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "mono.wav"
    write_wav(path, sine(0.1, 16_000), 16_000)
    with caplog.at_level(logging.INFO):
        read_wav(path, 16_000)
    assert not caplog.records


def test_too_loud_and_broken_floats_are_clipped(tmp_path: Path) -> None:
    path = tmp_path / "float.wav"
    samples = np.array([2.0, -2.0, np.nan, np.inf, 0.5], dtype=np.float32)
    soundfile.write(path, samples, 16_000, subtype="FLOAT")
    assert read_wav(path, 16_000).tolist() == [32767, -32768, 0, 32767, 16384]


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*no\.wav: No such file"):
        read_wav(tmp_path / "no.wav", 16_000)


def test_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read .*: Is a directory"):
        read_wav(tmp_path, 16_000)


@pytest.mark.parametrize("name", ["notes.wav", "notes.raw", "notes.mp3", "notes"])
@pytest.mark.parametrize("content", [b"", b"hello, I am text\n" * 50, b"RIFF\x00"])
def test_what_is_no_sound_file_is_named(
    tmp_path: Path, name: str, content: bytes
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ConfigError, match="is not a sound file") as caught:
        read_wav(path, 16_000)
    assert str(path) in caught.value.message
    assert f"ffmpeg -i {name}" in caught.value.hint


def test_wav_without_samples_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    soundfile.write(path, np.zeros(0, dtype=np.int16), 16_000)
    with pytest.raises(ConfigError, match=r"empty\.wav holds no samples"):
        read_wav(path, 16_000)


@pytest.mark.parametrize(
    ("rate_hz", "samples", "wrong"),
    [(3, 7262, "has 3 samples a second"), (1000, 1_380_001, "too long to be spoken")],
)
def test_what_would_become_very_many_samples_is_refused(
    tmp_path: Path, rate_hz: int, samples: int, wrong: str
) -> None:
    path = tmp_path / "slow.wav"
    soundfile.write(path, np.zeros(samples, dtype=np.int16), rate_hz)
    with pytest.raises(ConfigError, match=wrong):
        read_wav(path, 16_000)


def test_unwritable_place_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "reply.wav"
    with pytest.raises(ConfigError, match=r"cannot write .*reply\.wav: No such file"):
        write_wav(path, sine(0.1, 16_000), 16_000)


def test_resample_changes_the_rate_only() -> None:
    pcm = sine(1.0, 22_050)
    resampled = resample(pcm, 22_050, 48_000)
    assert len(resampled) == 48_000
    assert pitch_hz(resampled, 48_000) == pytest.approx(440, abs=1)
    assert resample(pcm, 22_050, 22_050) is pcm
