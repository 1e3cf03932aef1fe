"""What can hold a measured process up: the garbage collector, the machine's host."""

from __future__ import annotations

import gc
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.printing import Row

_STAT = Path("/proc/stat")
# proc(5): "cpu", user, nice, system, idle, iowait, irq, softirq, steal
_STEAL = 8


@attrs.define(eq=False)
class HoldUps:
    """How long this process collected garbage, and the host ran others on our cores."""

    longest_collection_ms: float = 0.0
    stolen_ms: float = 0.0
    """Of all cores together; 0 where the system does not tell."""
    _began: float = 0.0

    def row(self) -> Row:
        """Both, for a bench's conditions."""
        return {
            "longest_collection_ms": round(self.longest_collection_ms, 1),
            "stolen_ms": round(self.stolen_ms),
        }

    def collecting(self, phase: str, _info: dict[str, Any]) -> None:
        """Called by the garbage collector, before and after."""
        if phase == "start":
            self._began = time.perf_counter()
        else:
            took_ms = (time.perf_counter() - self._began) * 1000
            self.longest_collection_ms = max(self.longest_collection_ms, took_ms)


@contextmanager
def hold_ups() -> Iterator[HoldUps]:
    """Measure them, in a process whose garbage is handled as `trioagent` handles it.

    What is imported is frozen: no collection looks through it. What was measured is
    there when the block has ended.
    """
    seen = HoldUps()
    gc.collect()
    gc.freeze()
    gc.callbacks.append(seen.collecting)
    stolen_ms = _stolen_ms()
    try:
        yield seen
    finally:
        seen.stolen_ms = _stolen_ms() - stolen_ms
        gc.callbacks.remove(seen.collecting)
        gc.unfreeze()


def _stolen_ms() -> float:
    try:
        fields = _STAT.read_text(encoding="ascii").split("\n", 1)[0].split()
        return int(fields[_STEAL]) / os.sysconf("SC_CLK_TCK") * 1000
    except (OSError, IndexError, ValueError):  # no Linux
        return 0.0
