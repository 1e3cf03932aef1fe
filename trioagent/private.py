"""Files and folders for their owner alone, whatever the umask. All of it blocks.

Where others may write too, as in /tmp, a link that somebody else put there is not
followed.
"""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def private_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; what is there stays as it is.

    Raises:
        OSError: it cannot be made.
    """
    # `Path.mkdir` leaves the mode of those above to the umask.
    if not path.parent.exists():
        private_folder(path.parent)
    path.mkdir(mode=0o700, exist_ok=True)


def open_private(path: Path, flags: int) -> int:
    """Open a file for writing, made if it is missing; its descriptor.

    A file of ours that others may read, as older versions left them, is closed to them.
    What is no plain file (a pipe, a terminal) is opened and left as it is.

    Raises:
        OSError: it cannot be opened, or is somebody else's link.
    """
    if path.is_symlink() and _may_be_planted(path):
        flags |= os.O_NOFOLLOW
    fd = os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        status = os.fstat(fd)
        ours = stat.S_ISREG(status.st_mode) and status.st_uid == os.geteuid()
        if ours and stat.S_IMODE(status.st_mode) != 0o600:
            os.fchmod(fd, 0o600)
    except BaseException:
        os.close(fd)
        raise
    return fd


def _may_be_planted(link: Path) -> bool:
    """Whether somebody else may have made this link: it is theirs, where all may write.

    As Linux itself has it under `fs.protected_symlinks`, which may be off.
    """
    folder, owner = link.parent.stat(), link.lstat().st_uid
    shared = bool(folder.st_mode & _OTHERS_MAY_WRITE)
    return shared and owner not in (os.geteuid(), folder.st_uid)
