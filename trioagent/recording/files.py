"""The files of a recording: names, private files, PCM and FLAC. All of it blocks.

Audio is mono 16-bit. While a recording is made it is raw and little-endian, so that
what was written stays readable wherever it is cut off; then it is FLAC.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import unicodedata
from typing import TYPE_CHECKING

import numpy as np

from trioagent.interfaces import HEARING_RATE_HZ, Pcm
from trioagent.recording.format import SPOKEN, SYNTHESIZED, TURN_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from soundfile import SoundFile

    from trioagent.recording.format import Header

_LONGEST_NAME_BYTES = 120
"""File systems allow 255; this leaves room for a number, and stays readable."""


_PIECE_SAMPLES = 1 << 18
_LONGEST_SAMPLES = 1 << 29
"""Three hours at 48 kHz; FLAC packs silence ten thousand times."""

_AUDIO_FILE = re.compile(
    rf"({SYNTHESIZED}|{SPOKEN}|heard--?\d+)\.(pcm|flac|flac\.part)"
)


class BrokenAudio(Exception):
    """A FLAC file that does not hold what it should."""


def safe_name(text: str) -> str:
    """`text` as a file's name: letters, digits, dot, underscore; "-" for others."""
    normal = unicodedata.normalize("NFC", text)
    parts = "".join(c if _harmless(c) else " " for c in normal).split()
    cut = "-".join(parts).encode()[:_LONGEST_NAME_BYTES].decode(errors="ignore")
    # A leading dot hides a file, and some file systems drop a dot at the end.
    return cut.strip(".-") or "recording"


def is_ours(name: str) -> bool:
    """Whether a recording may hold a file of this name."""
    return name == TURN_FILE or _AUDIO_FILE.fullmatch(name) is not None


def rate_hz(header: Header, stem: str) -> int:
    """The rate of the audio with this stem."""
    rates = {SYNTHESIZED: header.synthesizer_rate_hz, SPOKEN: header.room_rate_hz}
    return rates.get(stem, HEARING_RATE_HZ)


# --- writing ---------------------------------------------------------------------


def make_private_folder(path: Path) -> None:
    """Make a folder for its owner alone, whatever the umask.

    Raises:
        FileExistsError: there is something of this name.
    """
    path.mkdir(mode=0o700)
    path.chmod(0o700)


def make_private_file(path: Path) -> int:
    """Make a file for its owner alone, whatever the umask; its descriptor.

    Raises:
        FileExistsError: there is something of this name.
    """
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.fchmod(fd, 0o600)
    except OSError:
        os.close(fd)
        raise
    return fd


def write_at(fd: int, data: bytes, offset: int) -> None:
    """Write all of `data`, past the end of the file if need be."""
    left = memoryview(data)
    while left:
        written = os.pwrite(fd, left, offset)
        left, offset = left[written:], offset + written


def pcm_bytes(pieces: Sequence[Pcm]) -> bytes:
    """Audio as it stands in a `.pcm` file."""
    return b"".join(p.astype("<i2", casting="safe").tobytes() for p in pieces)


def pcm_to_flac(folder: Path, stem: str, rate_hz: int) -> None:
    """Put FLAC in the place of raw audio; audio without samples is just removed.

    Raises:
        OSError: it could not; the raw audio is still there.
    """
    raw = folder / f"{stem}.pcm"
    pcm = _read_pcm(raw)
    if len(pcm):
        part = folder / f"{stem}.flac.part"
        try:
            _write_private(part, _flac(pcm, rate_hz))
            part.rename(folder / f"{stem}.flac")
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
    raw.unlink()


def _flac(pcm: Pcm, rate_hz: int) -> bytes:
    import soundfile  # noqa: PLC0415 - libsndfile is loaded by who needs it

    # In memory first: libsndfile does not tell that a disk is full.
    encoded = io.BytesIO()
    soundfile.write(encoded, pcm, rate_hz, format="FLAC", subtype="PCM_16")
    return encoded.getvalue()


def _write_private(path: Path, data: bytes) -> None:
    fd = make_private_file(path)
    try:
        write_at(fd, data, 0)
    finally:
        os.close(fd)


def _harmless(character: str) -> bool:
    return character in "._" or unicodedata.category(character)[0] in "LMN"


# --- reading ---------------------------------------------------------------------


def read_audio(folder: Path, stem: str, rate_hz: int) -> Pcm:
    """All audio with this stem, FLAC or still raw.

    Raises:
        FileNotFoundError: there is none.
        OSError: it cannot be read.
        BrokenAudio: what is wrong with it.
    """
    try:
        return _read_flac(folder / f"{stem}.flac", rate_hz)
    except FileNotFoundError:
        return _read_pcm(folder / f"{stem}.pcm")


def _read_pcm(path: Path) -> Pcm:
    # A sample that was cut in half at the end is left out.
    return np.fromfile(path, dtype="<i2").astype(np.int16, copy=False)


def _read_flac(path: Path, rate_hz: int) -> Pcm:
    import soundfile  # noqa: PLC0415 - libsndfile is loaded by who needs it

    with path.open("rb") as file:
        try:
            with soundfile.SoundFile(file.fileno(), closefd=False) as sound:
                if sound.channels != 1 or sound.samplerate != rate_hz:
                    shape = sound.frames, sound.channels
                    found = f"is {sound.samplerate} Hz, shape {shape}"
                    raise BrokenAudio(f"must be mono at {rate_hz} Hz, {found}")
                return _samples(sound)
        except soundfile.SoundFileError as error:
            raise BrokenAudio("broken, or no FLAC file") from error


def _samples(sound: SoundFile) -> Pcm:
    """All of them, in pieces: how many there are says only a header that may lie."""
    pieces: list[Pcm] = []
    left = _LONGEST_SAMPLES
    while len(piece := sound.read(_PIECE_SAMPLES, dtype="int16")):
        pieces.append(piece)
        left -= len(piece)
        if left < 0:
            raise BrokenAudio(f"holds more than {_LONGEST_SAMPLES} samples")
    if sum(map(len, pieces)) != sound.frames:
        raise BrokenAudio(f"holds other than the {sound.frames} samples it promises")
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
