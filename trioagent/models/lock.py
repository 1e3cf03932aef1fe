"""One pull of a model at a time, also among processes."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from trioagent.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock; the system releases it when the process ends, however it does.

    Raises:
        ModelError: another process holds it, or the file cannot be made.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="ascii")
    except OSError as error:
        raise ModelError(
            f"cannot write {path}: {error.strerror or error}",
            hint="TRIOAGENT_MODELS may name another folder for the models.",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise ModelError(
                f"{path.name} is being pulled by process {file.read().strip() or '?'}",
                hint="Wait until it is done.",
            ) from error
        # Not unlinked at the end: somebody else may be opening it.
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
