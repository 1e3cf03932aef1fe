"""The recording of a voice that is to be cloned: read, and refused if unfit."""

from __future__ import annotations

import hashlib
from pathlib import Path

import attrs
import numpy as np
import numpy.typing as npt
import soundfile

from trioagent.errors import ProviderUnavailable

SHORTEST_S = 1.0
LONGEST_S = 30.0
_QUIETEST_RMS = 0.003
"""Of full scale: -50 dB. Room noise is below, quiet speech above."""
_HINT = (
    f"give a WAV file of one person who speaks for {SHORTEST_S:g} to {LONGEST_S:g} s"
)


@attrs.frozen(eq=False)
class ReferenceVoice:
    """A recording that fits. `samples` are mono, -1 to 1; `digest` is of the file."""

    path: Path
    samples: npt.NDArray[np.float32]
    rate_hz: int
    digest: str


def load_reference(name: str, section: str) -> ReferenceVoice:
    """Read the recording `name`; `section` is whose `reference_wav` it is.

    Raises:
        ProviderUnavailable: missing, no audio, too short, too long, or silent.
    """
    hint = f"set reference_wav in [{section}]: {_HINT}"
    if not name:
        raise ProviderUnavailable("there is no voice to clone", hint=hint)
    path = Path(name).expanduser()
    try:
        data = path.read_bytes()
        samples, rate_hz = _beginning(path)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProviderUnavailable(f"{path}: {reason}", hint=hint) from error
    except soundfile.LibsndfileError as error:
        message = f"{path} is no audio file: {error.error_string}"
        raise ProviderUnavailable(message, hint=hint) from error
    mono = np.ascontiguousarray(samples.mean(axis=1, dtype=np.float32))
    if wrong := _what_is_wrong(mono, len(mono) / rate_hz):
        raise ProviderUnavailable(f"{path} cannot be cloned: {wrong}", hint=hint)
    return ReferenceVoice(path, mono, rate_hz, hashlib.sha256(data).hexdigest())


def _beginning(path: Path) -> tuple[npt.NDArray[np.float32], int]:
    """The samples, by channel, no more of them than show that there are too many.

    How many there are says a header that may lie, by any factor.
    """
    with soundfile.SoundFile(path) as sound:
        rate_hz = int(sound.samplerate)
        most = min(sound.frames, int(rate_hz * (LONGEST_S + 1)))
        return sound.read(most, dtype="float32", always_2d=True), rate_hz


def _what_is_wrong(mono: npt.NDArray[np.float32], length_s: float) -> str:
    if length_s < SHORTEST_S:
        return f"it is too short, {length_s:.1f} s"
    if length_s > LONGEST_S:
        return f"it is too long, {length_s:.1f} s"
    if not np.isfinite(mono).all():
        return "it holds samples that are no numbers"
    if float(np.sqrt(np.mean(np.square(mono)))) < _QUIETEST_RMS:
        return "it is silent"
    return ""
