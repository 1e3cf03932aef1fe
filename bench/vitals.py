"""What a process holds: memory, objects, tasks, threads, file descriptors."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from bench.slopes import FEWEST, Slope, slope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024
FIGURES = ("rss_kib", "native_kib", "blocks", "objects", "tasks", "threads", "fds")
PER_TURNS = 1000


@attrs.frozen
class Vitals:
    """One look at this process, after so many turns."""

    turns: int
    rss_kib: float
    objects: int
    """What the garbage collector tracks, after a collection."""
    tasks: int
    threads: int
    fds: int
    native_kib: float = 0.0
    """What malloc has given out and not got back; 0 where it does not tell.

    Resident memory is also what malloc keeps for later, and that moves by itself.
    """
    blocks: int = 0
    """Python's own small ones, of objects that no garbage collector tracks, too."""


class _MallocInfo(ctypes.Structure):
    """`struct mallinfo2` of glibc: bytes, over all heaps."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
            *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
        )
    )


def vitals(turns: int) -> Vitals:
    """Look at this process now, from a Trio task. Collects garbage first."""
    gc.collect()
    _empty_python_cache()
    _fill_numpy_cache()
    statm = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return Vitals(
        turns,
        int(statm[1]) * _PAGE_KIB,
        len(gc.get_objects()),
        trio.lowlevel.current_statistics().tasks_living,
        threading.active_count(),
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
        _native_kib(),
        sys.getallocatedblocks(),
    )


def _empty_python_cache() -> None:
    """Empty Python's cache of types' attributes: it fills over hours, and is no leak.

    It keeps 4,096 names. C code that looks up a new string each time, as `match` and
    the splitting of exception groups do, leaves one there every few turns.
    """
    # Python 3.13 brings the first and deprecates the second.
    name = "_clear_internal_caches"
    empty = getattr(sys, name, None) or sys._clear_type_cache  # noqa: SLF001 - no other
    empty()


def _fill_numpy_cache() -> None:
    """Fill numpy's cache of freed buffers: left alone it does so over hours, too.

    It keeps 7 of each size below 1,024 bytes (alloc.c of numpy), 3.7 MB in all.
    """
    for size in range(1, 1024):
        _ = [np.empty(size, np.uint8) for _ in range(7)]


def _native_kib() -> float:
    try:
        mallinfo = ctypes.CDLL(None).mallinfo2
    except (OSError, AttributeError):  # before glibc 2.33, other C libraries
        return 0.0
    mallinfo.restype = _MallocInfo
    info = mallinfo()
    return float(info.uordblks + info.hblkhd) / 1024


def slopes(seen: Sequence[Vitals], warm_up: int) -> dict[str, Slope]:
    """How each figure grows per `PER_TURNS` turns, without the first `warm_up`.

    Empty if that leaves too few looks.
    """
    settled = [look for look in seen if look.turns >= warm_up]
    if len(settled) < FEWEST:
        return {}
    turns = [look.turns / PER_TURNS for look in settled]
    return {
        name: slope(turns, [getattr(look, name) for look in settled])
        for name in FIGURES
    }


def rows(found: Mapping[str, Slope]) -> dict[str, dict[str, object]]:
    """Slopes for programs."""
    return {
        name: {
            "per_1000_turns": round(line.value, 4),
            "low": round(line.low, 4),
            "high": round(line.high, 4),
            "samples": line.samples,
            "verdict": verdict(line),
        }
        for name, line in found.items()
    }


def verdict(line: Slope) -> str:
    """In words."""
    if line.is_zero:
        return "not distinguishable from zero"
    return "grows" if line.is_growth else "falls"


def lines(found: Mapping[str, Slope]) -> Iterable[str]:
    """Slopes for people."""
    for name, line in found.items():
        interval = f"{line.low:+.2f} … {line.high:+.2f}"
        told = f"{line.value:+.2f} per 1,000 turns, 95 % {interval}: {verdict(line)}"
        yield f"{name:10} {told}"
