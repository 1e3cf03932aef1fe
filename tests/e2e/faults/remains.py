"""What an agent could leave behind: tasks, sockets, processes, tracebacks.

Many agents run in one process, so each is looked at by what is its own: the tasks
below its task, the sockets to its ports, the processes that name its folder.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import trio

RUNNING: ContextVar[str] = ContextVar("RUNNING", default="")
"""The cell whose work this is."""

TABLES = ("/proc/self/net/tcp", "/proc/self/net/tcp6", "/proc/self/net/udp")


def tasks_below(task: trio.lowlevel.Task) -> Counter[str]:
    """How many tasks of each name there are below this one."""
    found: Counter[str] = Counter()
    unseen = [task]
    while unseen:
        parent = unseen.pop()
        for nursery in parent.child_nurseries:
            unseen += nursery.child_tasks
            found.update(child.name for child in nursery.child_tasks)
    return found


def sockets_to(ports: Iterable[int]) -> int:
    """How many sockets of this process have one of these ports at their other end."""
    ours = _own_sockets()
    wanted = set(ports)
    rows = [
        line.split()
        for table in TABLES
        if Path(table).exists()
        for line in Path(table).read_text().splitlines()[1:]
    ]
    return sum(
        int(row[2].rpartition(":")[2], 16) in wanted and row[9] in ours for row in rows
    )


def _own_sockets() -> set[str]:
    inodes = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(descriptor.readlink())
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
    return inodes


def open_descriptors() -> int:
    """How many file descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


def processes_of(folder: Path, program: str = "sherpa_worker") -> list[int]:
    """The processes of this program that have the folder in their command."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().decode(errors="replace")
            if program in command and str(folder) in command:
                found.append(int(entry.name))
    return found


class Tracebacks(logging.Handler):
    """Keeps the tracebacks that were logged, by the cell whose work logged them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record."""
        text = record.getMessage()
        if record.exc_info or "Traceback" in text:
            said = f"{record.name}: {text}"
            if record.exc_info and record.exc_info[1] is not None:
                said += f": {record.exc_info[1]!r}"
            self.found.setdefault(RUNNING.get(), []).append(said)
