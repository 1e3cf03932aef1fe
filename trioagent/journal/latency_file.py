"""The file with a line for each turn: private, and within limits of size and age.

Lines are appended by the event loop, a turn at a time. What makes the file smaller is
done in a thread, to a copy; the event loop puts the copy in the file's place, with the
lines that came meanwhile. So none is lost, whenever that is cancelled or fails.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import json
import logging
import os
import stat
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import attrs
import trio

from trioagent.config import JournalConfig
from trioagent.decisions.identity import is_of
from trioagent.forgetting import NotDeleted
from trioagent.journal.shorter_copy import Keep, ShorterCopy, remove_left_copies
from trioagent.private import open_private

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Speaker

log = logging.getLogger(__name__)

CHECK_S = 60.0
# Lines are looked at for their age this seldom: all of them have to be read.
AGE_CHECK_S = 6 * 3600.0


@attrs.define(eq=False)
class LatencyFile:
    """A file of lines, each a JSON object; a `trioagent.forgetting.Keeper` of them."""

    path: Path
    config: JournalConfig
    kept: str = "lines of the latency log"
    _one: trio.Lock = attrs.Factory(trio.Lock)

    def append(self, line: str) -> None:
        """Add a line; a file that has to be made is for its owner alone.

        Opened anew each time, so that the line is in whatever has its name now.

        Raises:
            OSError: it could not; nothing is left of the line.
        """
        # Without waiting, should it be a pipe that nobody reads.
        how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | os.O_CLOEXEC
        fd = open_private(self.path, how)
        try:
            _write_all(fd, f"{line}\n".encode(errors="backslashreplace"))
        finally:
            os.close(fd)

    @asynccontextmanager
    async def kept_short(self) -> AsyncIterator[None]:
        """Keep the limits meanwhile; once, however many write into it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.run, name="latency log")
            yield
            nursery.cancel_scope.cancel("nobody writes any more")

    async def run(self) -> NoReturn:
        """Keep the limits until cancelled."""
        remove_left_copies(self.path)
        next_look = trio.current_time()
        while True:
            old = trio.current_time() >= next_look
            if old:
                next_look = trio.current_time() + AGE_CHECK_S
            try:
                await self._keep_limits(old=old)
            except OSError as error:
                log.warning("cannot shorten %s: %s", self.path, error.strerror or error)
            await trio.sleep(CHECK_S)

    async def forget(self, speaker: Speaker) -> int:
        """Delete the lines of this speaker, who is known by the name in there.

        Raises:
            NotDeleted: they could not be deleted; the file is as it was.
        """
        try:
            return await self._rewrite(lambda line, _end: not _is_of(line, speaker))
        except OSError as error:
            log.warning("cannot delete from %s: %s", self.path, error.strerror or error)
            raise NotDeleted(error.strerror or "the disk failed") from error

    async def _keep_limits(self, *, old: bool) -> None:
        if old:
            age = datetime.timedelta(days=self.config.max_age_days)
            since = (datetime.datetime.now(datetime.UTC) - age).isoformat()
            await self._rewrite(lambda line, _end: _written(line, since) >= since)
        size = _size(self.path)
        if size > self.config.max_mb * 1e6:
            await self._rewrite(lambda _line, end: end > size / 2)

    async def _rewrite(self, keep: Keep) -> int:
        """Keep only the lines that `keep` wants; how many were deleted.

        If cancelled or failed, the file is as it was.

        Raises:
            OSError: it cannot be read or written.
        """
        async with self._one:
            if not _size(self.path):
                return 0
            copy = ShorterCopy(self.path.resolve(), keep)
            try:
                await trio.to_thread.run_sync(copy.make, abandon_on_cancel=True)
                # No checkpoint from here on: no line can come in between.
                return copy.replace()
            finally:
                copy.discard()


def _row(line: bytes) -> dict[str, object] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def _is_of(line: bytes, speaker: Speaker) -> bool:
    # Parsing all lines would take long.
    name = json.dumps(speaker.name, ensure_ascii=False)
    if name.encode(errors="backslashreplace") not in line:
        return False
    row = _row(line)
    # Torn by a crash: it may be theirs.
    return row is None or is_of(speaker, str(row.get("speaker", "")))


def _written(line: bytes, unknown: str) -> str:
    """When, as the turn's label says: in UTC, so that labels sort as times do."""
    row = _row(line)
    label = row.get("time") if row else None
    return label if isinstance(label, str) else unknown


def _size(path: Path) -> int:
    """In bytes; 0 of what is no plain file."""
    with contextlib.suppress(OSError):
        status = path.stat()
        if stat.S_ISREG(status.st_mode):
            return status.st_size
    return 0


def _write_all(fd: int, data: bytes) -> None:
    """Write it to the end of a file, all or nothing."""
    written = os.write(fd, data)
    if written < len(data):
        with contextlib.suppress(OSError):
            os.ftruncate(fd, os.fstat(fd).st_size - written)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
