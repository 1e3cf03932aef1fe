"""Writing a recording, so that what was written stays readable whatever happens next.

An append writes the audio before the lines that speak of it, straight to the operating
system. So a reader of a recording that was cut off (a killed process, a full disk)
finds all of each append that had ended, and can tell where to stop in one that had not.
"""

from __future__ import annotations

import contextlib
import itertools
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from trioagent.private import private_folder
from trioagent.recording.files import (
    make_private_file,
    make_private_folder,
    pcm_bytes,
    pcm_to_flac,
    rate_hz,
    safe_name,
    write_at,
)
from trioagent.recording.format import TURN_FILE, Entry, Header
from trioagent.recording.lines import entry_lines, header_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trioagent.interfaces import Pcm

_RAW = ".pcm"


@attrs.define(eq=False)
class _Growing:
    """An open file. `size` is what is whole of it: what lies behind is overwritten."""

    fd: int
    size: int = 0


@attrs.define(eq=False)
class RecordingFolder:
    """A recording in the making. Its methods block: call them in a thread, in turn."""

    path: Path
    header: Header
    _files: dict[str, _Growing] = attrs.Factory(dict)

    @classmethod
    def create(cls, parent: Path, name: str, header: Header) -> RecordingFolder:
        """Make the folder `parent/name` (or name-2, …) with the header in it.

        `parent` is made if it is missing. `name` may hold any text; what no file system
        takes is replaced. Only the owner can read the folder.

        Raises:
            OSError: it cannot be made; nothing is left of it.
        """
        private_folder(parent)
        recording = cls(_make_folder(parent, safe_name(name)), header)
        try:
            recording._write({TURN_FILE: header_line(header)})
        except BaseException:
            recording.abandon()
            with contextlib.suppress(OSError):
                (recording.path / TURN_FILE).unlink(missing_ok=True)
                recording.path.rmdir()
            raise
        return recording

    def append(
        self, entries: Sequence[Entry], audio: Mapping[str, Sequence[Pcm]]
    ) -> None:
        """Write entries, and the audio by its stem that they speak of.

        Raises:
            OSError: it could not; all earlier appends are still readable.
            ValueError: the recording is closed.
        """
        if TURN_FILE not in self._files:
            raise ValueError(f"{self.path} is closed")
        data = {f"{stem}{_RAW}": pcm_bytes(pieces) for stem, pieces in audio.items()}
        self._write({**data, TURN_FILE: entry_lines(entries)})

    def finish(self) -> None:
        """Close it, and put FLAC in the place of raw audio.

        Raises:
            OSError: some audio could not be encoded; it stays raw, and readable.
        """
        stems = [name.removesuffix(_RAW) for name in self._files if name != TURN_FILE]
        self.abandon()
        for stem in stems:
            pcm_to_flac(self.path, stem, rate_hz(self.header, stem))

    def abandon(self) -> None:
        """Close it and keep what there is. Never raises; closing twice is fine."""
        files, self._files = self._files, {}
        for file in files.values():
            with contextlib.suppress(OSError):
                os.close(file.fd)

    def _write(self, data: Mapping[str, bytes]) -> None:
        """Append to each file, all or nothing, as long as this process lives."""
        parts = [(self._open(name), part) for name, part in data.items() if part]
        try:
            for file, part in parts:
                write_at(file.fd, part, file.size)
        except BaseException:
            for file, _ in parts:
                with contextlib.suppress(OSError):
                    os.ftruncate(file.fd, file.size)
            raise
        for file, part in parts:
            file.size += len(part)

    def _open(self, name: str) -> _Growing:
        if name not in self._files:
            self._files[name] = _Growing(make_private_file(self.path / name))
        return self._files[name]


def _make_folder(parent: Path, name: str) -> Path:
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}-{number}")
        with contextlib.suppress(FileExistsError):
            make_private_folder(path)
            return path
    raise AssertionError("the numbers have ended")
