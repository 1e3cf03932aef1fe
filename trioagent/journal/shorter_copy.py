"""A file of lines made shorter: a copy beside it, which then takes its place."""

from __future__ import annotations

import contextlib
import errno
import glob
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import attrs

Keep = Callable[[bytes, int], bool]
"""Whether to keep a line; with where it ends, in bytes from the file's beginning."""


@attrs.define(eq=False)
class ShorterCopy:
    """The lines of a file that are kept, in another file beside it."""

    path: Path
    keep: Keep
    _deleted: int = 0
    _seen: int = 0
    """How many bytes of the file were looked at."""
    _original: os.stat_result | None = None
    _file: BinaryIO | None = None
    _made: bool = False
    _unwanted: bool = False
    _part: Path = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        name = f"{self.path.name}.{secrets.token_hex(4)}.part"
        self._part = self.path.with_name(name)

    def make(self) -> None:
        """Copy what is there now. Takes long: for a thread.

        Raises:
            OSError: it could not; nothing is left of the copy.
        """
        try:
            how = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            self._file = os.fdopen(os.open(self._part, how, 0o600), "wb")
            with self.path.open("rb") as original:
                self._original = os.fstat(original.fileno())
                os.fchmod(self._file.fileno(), stat.S_IMODE(self._original.st_mode))
                self._copy(original)
            self._file.flush()
            os.fsync(self._file.fileno())
        except BaseException:
            self._delete()
            raise
        self._made = True
        if self._unwanted:
            self._delete()

    def replace(self) -> int:
        """Put it in the file's place, with what came since; how many lines are gone.

        Raises:
            OSError: it could not; the file is as it was.
        """
        if self._file is None or not self._deleted:
            return 0
        with self.path.open("rb") as original:
            now = os.fstat(original.fileno())
            if self._original is None or not os.path.samestat(now, self._original):
                raise OSError(errno.ESTALE, "another process has replaced it")
            original.seek(self._seen)
            self._copy(original)
        self._file.close()
        self._part.rename(self.path)
        self._file = None
        return self._deleted

    def discard(self) -> None:
        """It is not needed any more; a thread that still makes it deletes it itself."""
        self._unwanted = True
        if self._made:
            self._delete()

    def _copy(self, original: BinaryIO) -> None:
        for line in original:
            if self._unwanted:
                return
            self._seen += len(line)
            if self._file is not None and self.keep(line, self._seen):
                self._file.write(line)
            else:
                self._deleted += 1

    def _delete(self) -> None:
        file, self._file = self._file, None
        with contextlib.suppress(OSError):
            if file is not None:
                file.close()
        with contextlib.suppress(OSError):
            self._part.unlink()


def remove_left_copies(path: Path) -> None:
    """Remove copies of this file that a killed process has left."""
    for part in path.parent.glob(f"{glob.escape(path.name)}.????????.part"):
        with contextlib.suppress(OSError):
            part.unlink()
