"""The part of a file that is there already, and what it is a part of.

`FILE.part` has the bytes, `FILE.part.json` the address they came from and what the
server said to tell versions apart. Only with that is a part worth anything: without, a
resumed download could be glued together from two files.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import attrs
import cattrs

# RecursionError, TypeError: JSON without end, or no object.
_NO_NOTE = (
    *(OSError, ValueError, TypeError, AttributeError, RecursionError),
    cattrs.BaseValidationError,
)


@attrs.frozen
class Version:
    """Which file at which address; empty: the server did not say."""

    url: str
    etag: str = ""
    last_modified: str = ""
    total: int | None = None
    """The length of the whole."""

    @property
    def validator(self) -> str:
        """For If-Range. A weak ETag does not promise the same bytes."""
        return "" if self.etag.startswith("W/") else self.etag or self.last_modified


@attrs.frozen
class Part:
    """A file on its way to `whole`."""

    whole: Path

    @property
    def path(self) -> Path:
        """The bytes that are there."""
        return self.whole.with_name(self.whole.name + ".part")

    @property
    def _note(self) -> Path:
        return self.whole.with_name(self.whole.name + ".part.json")

    @property
    def size(self) -> int:
        """How many bytes are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def version(self) -> Version | None:
        """What the bytes are of; None: not known, or there are none."""
        if not self.size:
            return None
        try:
            return cattrs.structure(json.loads(self._note.read_bytes()), Version)
        except _NO_NOTE:
            return None

    def begin(self, version: Version) -> BinaryIO:
        """Forget what is there; the file to write the first bytes to."""
        self.whole.parent.mkdir(parents=True, exist_ok=True)
        file = self.path.open("wb")
        self._note.write_text(json.dumps(attrs.asdict(version)), encoding="utf-8")
        return file

    def go_on(self) -> BinaryIO:
        """The file to append to."""
        return self.path.open("ab")

    def discard(self) -> None:
        """Forget what is there."""
        for path in (self.path, self._note):
            path.unlink(missing_ok=True)

    def complete(self) -> None:
        """What is there is all: it becomes `whole`."""
        with self.path.open("rb") as file:
            os.fsync(file.fileno())
        self.path.replace(self.whole)
        with suppress(FileNotFoundError):
            self._note.unlink()
