"""Archives from strangers, unpacked.

Only folders and plain files are made, each new, below the folder given. A link to a
file of the same archive becomes a copy of it; any other link, a device, a path that
leads out, or more than the limits allow ends the unpacking. Rights, owners and times in
the archive do not count.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO, TYPE_CHECKING, Any, cast

import attrs

from trioagent.models.errors import ModelError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

_BLOCK_BYTES = 1 << 18
_LONGEST_HEADER_BYTES = 1 << 20
_BROKEN = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    UnicodeError,
    NotImplementedError,
    # Of bz2 and gzip, for data that is not theirs.
    OSError,
)
# What its names and places bring about, where other errors are of our own disk: none is
# of bz2 and gzip, EINVAL a place before the beginning of its file.
_OF_THE_ARCHIVE = {
    None,
    errno.EINVAL,
    errno.EEXIST,
    errno.EISDIR,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
}


@attrs.frozen
class Limits:
    """More than this is no model but an attack, or a mistake."""

    total_bytes: int
    members: int = 20_000
    ratio: float = 50.0
    """Unpacked to packed. The weights of models hardly shrink."""


@attrs.define(eq=False)
class Unpacking:
    """One archive on its way into a folder."""

    archive: Path
    into: Path
    limits: Limits
    progress: Callable[[int, int], None]
    _done: int = 0
    _members: int = 0

    def run(self) -> None:
        """Unpack all of it, without the one folder that all may be in.

        Raises:
            ModelError: it is broken, or holds what must not be. What was unpacked up to
                there is left behind.
        """
        packed = self.archive.stat().st_size
        most = min(self.limits.total_bytes, int(packed * self.limits.ratio))
        self.limits = attrs.evolve(self.limits, total_bytes=most)
        try:
            if zipfile.is_zipfile(self.archive):
                self._unzip()
            else:
                self._untar()
        except _BROKEN as error:
            if isinstance(error, OSError) and error.errno not in _OF_THE_ARCHIVE:
                raise
            raise self._refusal(str(error) or type(error).__name__) from error

    def _refusal(self, reason: str) -> ModelError:
        return ModelError(
            f"{self.archive} cannot be unpacked: {reason}",
            hint="If you put it there yourself, delete it; then pull again.",
        )

    # --- tar

    def _untar(self) -> None:
        with self._decompressed() as stream:
            metered = _Metered(stream, 2 * self.limits.total_bytes + (1 << 20))
            with tarfile.open(fileobj=metered, mode="r:") as tar:
                for member in tar:
                    self._count()
                    self._take_from_tar(tar, member)
            # tarfile ends where it sees an end; what was cut off is seen only here.
            while metered.read(_BLOCK_BYTES):
                pass

    def _take_from_tar(self, tar: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        # Python 3.11.0 to 3.11.3 have none; all that it forbids is checked here, too.
        if data_filter := getattr(tarfile, "data_filter", None):
            data_filter(member, str(self.into))
        if member.isdir():
            self._make_folder(member.name)
        elif member.isreg():
            content = tar.extractfile(member)
            if content is None:
                raise self._refusal(f"{member.name} has no content")
            self._write(member.name, content)
        elif member.issym():
            beside = PurePosixPath(member.name).parent / member.linkname
            self._copy(member.name, str(beside))
        elif member.islnk():
            self._copy(member.name, member.linkname)
        else:
            raise self._refusal(f"{member.name} is neither a file nor a folder")

    def _decompressed(self) -> AbstractContextManager[IO[bytes]]:
        with self.archive.open("rb") as file:
            start = file.read(6)
        opener: Any = open
        if start.startswith(b"BZh"):
            opener = bz2.open
        elif start.startswith(b"\x1f\x8b"):
            opener = gzip.open
        elif start == b"\xfd7zXZ\x00":
            opener = lzma.open
        return cast("AbstractContextManager[IO[bytes]]", opener(self.archive, "rb"))

    # --- zip

    def _unzip(self) -> None:
        with zipfile.ZipFile(self.archive) as archive:
            for member in archive.infolist():
                self._count()
                if not member.filename:
                    raise self._refusal("a member has no name")
                if member.flag_bits & 1:
                    raise self._refusal(f"{member.filename} is encrypted")
                kind = (member.external_attr >> 16) & 0o170000
                if kind not in {0, 0o100000, 0o040000}:
                    raise self._refusal(
                        f"{member.filename} is neither a file nor a folder"
                    )
                if member.is_dir():
                    self._make_folder(member.filename)
                    continue
                with archive.open(member) as content:
                    self._write(member.filename, content)

    # --- what both have in common

    def _count(self) -> None:
        self._members += 1
        if self._members > self.limits.members:
            raise self._refusal(f"it has more than {self.limits.members} members")

    def _place(self, name: str) -> Path:
        """Where a member goes. No link is ever made: the text of its path decides."""
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or "\0" in name:
            raise self._refusal(f"{name!r} leads out of it")
        if path.parts and path.parts[0].endswith(":"):
            raise self._refusal(f"{name!r} names a drive")
        return self.into.joinpath(*path.parts)

    def _make_folder(self, name: str) -> None:
        self._place(name).mkdir(parents=True, exist_ok=True)

    def _write(self, name: str, content: IO[bytes]) -> None:
        place = self._place(name)
        place.parent.mkdir(parents=True, exist_ok=True)
        # "x": a second member of the same name may not replace the first.
        with place.open("xb") as file:
            while block := content.read(_BLOCK_BYTES):
                self._done += len(block)
                if self._done > self.limits.total_bytes:
                    most = self.limits.total_bytes
                    raise self._refusal(f"it unpacks to more than {most} bytes")
                file.write(block)
                self.progress(self._done, self.limits.total_bytes)

    def _copy(self, name: str, target: str) -> None:
        parts: list[str] = []
        for part in PurePosixPath(target).parts:
            if part == ".." and parts:
                parts.pop()
            else:
                parts.append(part)
        original = self._place("/".join(parts))
        if not original.is_file():
            raise self._refusal(f"{name} is a link to {target}, which is not in it")
        with original.open("rb") as content:
            self._write(name, content)


class _Metered:
    """A decompressed stream that ends the work when it yields too much.

    tarfile reads a header of any length into memory, and skips what is not wanted by
    unpacking it.
    """

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream = stream
        self._most = most

    def read(self, size: int = -1) -> bytes:
        """As of a file; for tarfile."""
        if not 0 <= size <= _LONGEST_HEADER_BYTES:
            raise tarfile.ReadError("a header is longer than any that is honest")
        data = self._stream.read(size)
        self._check(self._stream.tell())
        return data

    def seek(self, position: int, whence: int = 0) -> int:
        """As of a file; for tarfile."""
        if whence == 0:
            self._check(position)
        return self._stream.seek(position, whence)

    def tell(self) -> int:
        """As of a file; for tarfile."""
        return self._stream.tell()

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - as the stream has it
        return getattr(self._stream, name)

    def _check(self, position: int) -> None:
        if position > self._most:
            raise tarfile.ReadError(f"it unpacks to more than {self._most} bytes")
