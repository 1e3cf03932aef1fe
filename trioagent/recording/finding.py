"""Which recordings there are in folders, and why there are none."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from trioagent.errors import TrioagentError
from trioagent.recording.format import TURN_FILE

if TYPE_CHECKING:
    from collections.abc import Sequence

NOT_OURS = "give a folder that `trioagent --record DIR` made, or one that holds such"
_PERMISSION = "recordings are readable for the user that made them: run as that user"


class RecordingError(TrioagentError):
    """A recording that cannot be used."""


@attrs.frozen
class Found:
    """Recordings, sorted, and why there are none where some were expected."""

    recordings: tuple[Path, ...]
    errors: tuple[RecordingError, ...]


def find(paths: Sequence[Path]) -> list[Path]:
    """The recordings that `paths` are or hold, however deep; sorted. Blocks.

    Raises:
        RecordingError: a path does not exist, cannot be read, or holds no recording.
    """
    found = find_all(paths)
    for error in found.errors:
        raise error
    return list(found.recordings)


def find_all(paths: Sequence[Path]) -> Found:
    """As `find`, with the errors instead of raising the first."""
    recordings: set[Path] = set()
    errors: list[RecordingError] = []
    for path in paths:
        here, problems = _search(path)
        recordings |= here
        errors += problems
    return Found(tuple(sorted(recordings)), tuple(errors))


def _search(path: Path) -> tuple[set[Path], list[RecordingError]]:
    try:
        if not stat.S_ISDIR(path.stat().st_mode):
            what = f"{path}: is a file, and no folder"
            return set(), [RecordingError(what, hint=NOT_OURS)]
    except OSError as error:
        return set(), [unreadable(path, error)]
    problems: list[OSError] = []
    found: set[Path] = set()
    # Links are not followed: they may lead back here.
    for folder, inner, files in os.walk(path, onerror=problems.append):
        if TURN_FILE in files:
            found.add(Path(folder))
            inner.clear()
    errors = [unreadable(Path(e.filename or path), e) for e in problems]
    if not found and not errors:
        errors = [RecordingError(f"{path}: holds no recording", hint=NOT_OURS)]
    return found, errors


def unreadable(path: Path, error: OSError) -> RecordingError:
    """The error that says that `path` cannot be read, and why."""
    if isinstance(error, FileNotFoundError):
        return RecordingError(f"{path}: no such folder", hint=NOT_OURS)
    hint = _PERMISSION if isinstance(error, PermissionError) else ""
    return RecordingError(f"{path}: cannot be read: {error.strerror}", hint=hint)
