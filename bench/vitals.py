"""What a process holds: memory, objects, tasks, threads, file descriptors."""

from __future__ import annotations

import gc
import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from bench.slopes import FEWEST, Slope, slope

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

_PAGE_KIB = os.sysconf("SC_PAGE_SIZE") / 1024
FIGURES = ("rss_kib", "objects", "tasks", "threads", "fds")
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


def vitals(turns: int) -> Vitals:
    """Look at this process now, from a Trio task. Collects garbage first."""
    gc.collect()
    statm = Path("/proc/self/statm").read_text(encoding="ascii").split()
    return Vitals(
        turns,
        int(statm[1]) * _PAGE_KIB,
        len(gc.get_objects()),
        trio.lowlevel.current_statistics().tasks_living,
        threading.active_count(),
        sum(1 for _ in Path("/proc/self/fd").iterdir()),
    )


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
        yield f"{name:8} {told}"
