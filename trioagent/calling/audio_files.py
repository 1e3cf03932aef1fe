"""Sound files in and out, and the change of rate that they ask for."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import numpy as np

from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from trioagent.interfaces import Pcm

logger = logging.getLogger(__name__)

_FULL_SCALE = 32768.0
_MOST_VALUES = 1 << 26
"""Samples of all channels: 23 minutes at 48 kHz, and a quarter of a gigabyte."""
_LONGEST_S = 23 * 60
_LOWEST_RATE_HZ = 1000
"""There is no speech at a lower one, and a second would become very many samples."""
_WHAT_TO_GIVE = "give a WAV, FLAC or Ogg file with speech in it"


def read_wav(path: Path, rate_hz: int) -> Pcm:
    """Read a sound file as mono PCM at `rate_hz`.

    Whatever libsndfile reads is fine (WAV, FLAC, Ogg, MP3, …); several channels are
    mixed to one and another rate is resampled, which the log says. Blocks.

    Raises:
        ConfigError: the file is missing, unreadable, empty, or no sound file.
    """
    samples, file_rate_hz = _read(path)
    if not len(samples):
        raise ConfigError(f"{path} holds no samples", hint=_WHAT_TO_GIVE)
    channels = samples.shape[1]
    if channels != 1 or file_rate_hz != rate_hz:
        logger.info(
            "%s: %d channel(s) at %d Hz, taken as mono at %d Hz",
            *(path, channels, file_rate_hz, rate_hz),
        )
    # A float file may hold NaN, which no loudspeaker can play.
    mono = np.nan_to_num(samples.mean(axis=1), nan=0.0, posinf=1.0, neginf=-1.0)
    return _to_pcm(_resample(mono, file_rate_hz, rate_hz))


def write_wav(path: Path, pcm: Pcm, rate_hz: int) -> None:
    """Write mono PCM as a 16-bit WAV, whatever the suffix of `path` is. Blocks.

    Raises:
        ConfigError: the file cannot be written.
    """
    import soundfile  # noqa: PLC0415 - libsndfile is loaded by who needs it

    try:
        # Opened by us: libsndfile's own error does not say what is wrong.
        with path.open("wb") as file:
            soundfile.write(file, pcm, rate_hz, subtype="PCM_16", format="WAV")
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror}",
            hint="give a file in a folder that exists and that you may write to",
        ) from error


def resample(pcm: Pcm, from_hz: int, to_hz: int) -> Pcm:
    """Return `pcm` at another rate; the same array where the rates are equal."""
    if from_hz == to_hz:
        return pcm
    samples = pcm.astype(np.float32) / np.float32(_FULL_SCALE)
    return _to_pcm(_resample(samples, from_hz, to_hz))


def _read(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    import soundfile  # noqa: PLC0415 - libsndfile is loaded by who needs it

    try:
        with path.open("rb") as file, soundfile.SoundFile(file) as sound:
            # A header may say any number of samples, and there would not be the memory.
            most = min(sound.frames, _MOST_VALUES // sound.channels)
            samples = sound.read(most, dtype="float32", always_2d=True)
            rate_hz, cut = sound.samplerate, sound.frames > most
    except OSError as error:
        raise ConfigError(
            f"cannot read {path}: {error.strerror}",
            hint="check the path; it is taken from the current folder",
        ) from error
    # TypeError is its word for headerless data, such as a name in ".raw".
    except (soundfile.SoundFileError, TypeError) as error:
        raise ConfigError(
            f"{path} is not a sound file that libsndfile can read",
            hint=f"{_WHAT_TO_GIVE}; others: ffmpeg -i {path.name} speech.wav",
        ) from error
    if rate_hz < _LOWEST_RATE_HZ:
        message = f"{path} has {rate_hz} samples a second, too few for speech"
        raise ConfigError(message, hint=_WHAT_TO_GIVE)
    if cut or len(samples) > _LONGEST_S * rate_hz:
        raise ConfigError(f"{path} is too long to be spoken", hint=_WHAT_TO_GIVE)
    return samples, int(rate_hz)


def _resample(
    samples: npt.NDArray[np.float32], from_hz: int, to_hz: int
) -> npt.NDArray[np.float32]:
    if from_hz == to_hz:
        return samples
    import soxr  # noqa: PLC0415 - most files have the right rate

    resampled: npt.NDArray[np.float32] = soxr.resample(samples, from_hz, to_hz)
    return resampled


def _to_pcm(samples: npt.NDArray[np.float32]) -> Pcm:
    """Scale to 16 bits; what is too loud is clipped, it must not wrap around."""
    clipped = np.clip(samples * np.float32(_FULL_SCALE), -32768, 32767)
    return np.asarray(np.rint(clipped), dtype=np.int16)
