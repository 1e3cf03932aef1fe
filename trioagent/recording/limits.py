"""Keeping recordings within limits of size and age, by deleting the oldest. Blocks.

How old a recording is says the modification time of its `turn.jsonl`, not the label in
it: the file system sets it with each append, and it needs no time zone. When it is
wrong, as after copying, it is too young: nothing is deleted too early. Equally old ones
go in order of their names.
"""

from __future__ import annotations

import json
import logging
import os
import stat
from pathlib import Path
from typing import IO, TYPE_CHECKING

import attrs

from trioagent.recording.files import is_ours
from trioagent.recording.format import TURN_FILE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

log = logging.getLogger(__name__)

_LONGEST_HEADER = 2**24
"""Bytes; what has a longer first line is none of ours."""


@attrs.frozen
class Found:
    """A recording: its folder, when it was written last, and its bytes."""

    path: Path
    written: float
    size: int


def prune(
    parent: Path,
    *,
    max_bytes: int,
    max_age_s: float,
    now: float,
    keep: Collection[Path] = (),
) -> list[Path]:
    """Delete the oldest recordings in `parent` until all are within the limits.

    Only folders right in `parent` that begin as our recordings do, and in them only
    files that ours have: a folder with others in it stays, with these. No link is
    followed. What cannot be deleted is logged and left.

    Args:
        parent: Where the recordings are; it need not exist.
        max_bytes: What all of them may come to, those in `keep` included.
        max_age_s: Older ones are deleted even if there is room.
        now: `time.time()`.
        keep: Recordings that are not deleted: they are being made.

    Returns:
        What was deleted, oldest first.
    """
    limits = {"max_bytes": max_bytes, "max_age_s": max_age_s, "now": now}
    return list(pruned(parent, keep=keep, **limits))


def pruned(
    parent: Path,
    *,
    max_bytes: float,
    max_age_s: float,
    now: float,
    keep: Collection[Path] = (),
) -> Iterator[Path]:
    """As `prune`, one at a time: who has had enough of them stops."""
    kept = {path.absolute() for path in keep}
    found = sorted(recordings_in(parent), key=lambda each: (each.written, each.path))
    total = sum(each.size for each in found)
    for each in found:
        if total <= max_bytes and now - each.written <= max_age_s:
            continue
        if each.path.absolute() not in kept and delete(each.path):
            total -= each.size
            yield each.path


def recordings_in(parent: Path) -> list[Found]:
    """The recordings right in `parent`; what else is there, is none of ours."""
    try:
        with os.scandir(parent) as entries:
            folders = [e.name for e in entries if e.is_dir(follow_symlinks=False)]
    except FileNotFoundError:
        return []
    except OSError as error:
        log.warning("cannot look for old recordings in %s: %s", parent, error)
        return []
    looked_at = (_recording(parent / name) for name in folders)
    return [found for found in looked_at if found is not None]


def _recording(folder: Path) -> Found | None:
    """None if it is none of ours, or not ours to read."""
    try:
        with _open_no_link(folder / TURN_FILE) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _begins_as_ours(file):
                return None
        ours = [path for path in folder.iterdir() if is_ours(path.name)]
        size = sum(path.lstat().st_size for path in ours)
    except OSError:
        return None
    return Found(folder, status.st_mtime, size)


def _open_no_link(path: Path) -> IO[bytes]:
    # Without waiting, should it be a pipe.
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb")


def _begins_as_ours(file: IO[bytes]) -> bool:
    """Whatever its format's version."""
    try:
        header = json.loads(file.readline(_LONGEST_HEADER))
    except (ValueError, RecursionError):
        return False
    return (
        isinstance(header, dict)
        and isinstance(header.get("recording"), int)
        and isinstance(header.get("program"), str)
    )


def delete(folder: Path) -> bool:
    """Delete a recording, but for what others put into it; False: why is logged."""
    try:
        # By descriptor: a link that takes the folder's place meanwhile is not followed.
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            names = os.listdir(fd)  # noqa: PTH208 - a Path takes no descriptor
            # The lines last: until then, what is left is still known as a recording.
            for name in sorted(filter(is_ours, names), key=TURN_FILE.__eq__):
                os.unlink(name, dir_fd=fd)
        finally:
            os.close(fd)
        if all(map(is_ours, names)):
            folder.rmdir()
    except OSError as error:
        log.warning("cannot delete the recording %s: %s", folder, error)
        return False
    return True
