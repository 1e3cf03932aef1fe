"""Archives, what is known of downloads, and sounds: from strangers."""

from __future__ import annotations

import functools
import io
import shutil
import struct
import tarfile
import zipfile

import numpy as np
import soundfile

from providers.tts.reference_voice import load_reference
from tests.fuzzing.target import Target
from tests.fuzzing.targets_files import folder, written
from tests.fuzzing.targets_models import wav
from trioagent.calling.audio_files import read_wav
from trioagent.errors import ConfigError, ProviderUnavailable
from trioagent.models.download import _CONTENT_RANGE
from trioagent.models.errors import ModelError
from trioagent.models.part import Part
from trioagent.models.trust import known
from trioagent.models.unpack import Limits, Unpacking

# --- archives --------------------------------------------------------------------


def _tar(mode: str, *, hostile: bool = False) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=f"w:{mode}") as tar:
        for name, content in (("m/model.onnx", bytes(300)), ("m/tokens.txt", b"a 0\n")):
            member = tarfile.TarInfo("../" * hostile + name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("m/link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc" if hostile else "tokens.txt"
        tar.addfile(link)
    return file.getvalue()


def _zip() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("m/model.onnx", bytes(300))
        archive.writestr("m/tokens.txt", "a 0\n")
    return file.getvalue()


def _archive_seeds() -> list[bytes]:
    plain = _tar("")[:4096]
    long = struct.pack("100s", b"m/" + b"x" * 90) + plain[100:]
    kinds = [_tar("gz"), _tar("bz2"), _tar("xz"), _zip()]
    return [plain, *kinds, _tar("", hostile=True)[:4096], long]


def _unpacked(data: bytes) -> None:
    """Nothing but plain files and folders, within the folder, within the limits."""
    into, most = folder() / "unpacked", 1 << 20
    try:
        archive = written("archive", data)
        Unpacking(archive, into, Limits(most, 50), lambda _done, _all: None).run()
    finally:
        found = list(into.rglob("*")) if into.exists() else []
        total = sum(path.stat().st_size for path in found if path.is_file())
        strange = [
            p for p in found if p.is_symlink() or not (p.is_file() or p.is_dir())
        ]
        shutil.rmtree(into, ignore_errors=True)
        assert not strange, f"unpacked {strange}"
        assert total <= most + (1 << 18), f"unpacked {total} bytes"
        outside = {path.name for path in folder().iterdir()} - _OWN
        assert not outside, f"outside of the folder: {outside}"


_OWN = {
    *("model.onnx", "tokens.txt", "voice.onnx.json", "archive", "unpacked", "sound"),
    *("servers", "whole.part", "whole.part.json", "known.json", "recording"),
    *("config.toml", "transcripts", "voice", "voice.onnx", "header"),
}


def _part(data: bytes) -> None:
    part = Part(folder() / "whole")
    part.path.write_bytes(b"x")
    written("whole.part.json", data)
    version = part.version()
    if version is not None:
        assert isinstance(version.validator, str), version


def _range(data: bytes) -> None:
    found = _CONTENT_RANGE.fullmatch(data.decode("latin-1"))
    if found is not None:
        for number in (found[1], found[2]):
            _ = 0 if number in (None, "*") else int(number)


# --- sounds ----------------------------------------------------------------------


def sound(kind: str, seconds: float = 1.2, rate_hz: int = 16_000) -> bytes:
    """A tone as a file of this kind."""
    file = io.BytesIO()
    tone = np.sin(np.arange(int(seconds * rate_hz)) / 7) * 0.2
    soundfile.write(file, tone, rate_hz, format=kind)
    return file.getvalue()


@functools.cache
def _sound_seeds() -> list[bytes]:
    return [wav(), sound("FLAC", 0.05), sound("OGG", 0.1), sound("WAV", 1.1, 8000)]


def _sound(data: bytes) -> None:
    path = written("sound", data)
    pcm = read_wav(path, 16_000)
    assert pcm.dtype == np.int16, pcm.dtype


def _reference(data: bytes) -> None:
    voice = load_reference(str(written("sound", data)), "tts.luxtts")
    assert np.isfinite(voice.samples).all(), "samples that are no numbers"


TARGETS = (
    Target(
        "files.archive",
        _unpacked,
        _archive_seeds,
        (ModelError,),
        tokens=(b"ustar\x0000", b"../", b"x" * 150, b"PK\x01\x02", b"L", b"1", b"2"),
        most_bytes=96 << 20,  # a dictionary of xz
    ),
    Target(
        "files.part_note",
        _part,
        lambda: [b'{"url": "https://x/y", "etag": "W/1", "total": 5}'],
        is_json=True,
    ),
    Target(
        "files.known_sums",
        lambda data: known(written("known.json", data)),
        lambda: [b'{"https://x/y": {"sha256": "00", "first_seen": "2026-01-01"}}'],
        (ModelError,),
        is_json=True,
    ),
    Target(
        "http.content_range",
        _range,
        lambda: [b"bytes 5-9/10", b"bytes */10", b"bytes 0-1/*"],
        tokens=(b"9" * 5000, b"bytes ", b"-", b"/", b"*"),
    ),
    Target(
        "files.sound",
        _sound,
        _sound_seeds,
        (ConfigError,),
        tokens=(b"fLaC", b"RIFF", b"data", b"OggS", b"\x03\x00"),
        most_bytes=256 << 20,
    ),
    Target(
        "files.reference_voice",
        _reference,
        _sound_seeds,
        (ProviderUnavailable,),
        tokens=(b"fLaC", b"RIFF", b"data", b"OggS", b"\x03\x00"),
        most_bytes=256 << 20,
    ),
)
