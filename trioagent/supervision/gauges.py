"""What the process costs, and how late its event loop is. Reading it takes 0.1 ms."""

from __future__ import annotations

import contextlib
from collections import deque
from pathlib import Path

import attrs
import trio

LATENESS_EVERY_S = 0.5
# A minute of them.
LATENESS_KEPT = 120


@attrs.define(eq=False)
class LoopLateness:
    """How much later than asked for the event loop wakes a task, in seconds.

    Attributes:
        worst_s: The most since the start.
    """

    worst_s: float = 0.0
    _recent: deque[float] = attrs.Factory(lambda: deque(maxlen=LATENESS_KEPT))

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            due = trio.current_time() + LATENESS_EVERY_S
            await trio.sleep_until(due)
            late_s = trio.current_time() - due
            self._recent.append(late_s)
            self.worst_s = max(self.worst_s, late_s)

    @property
    def recent_s(self) -> float:
        """The most in the last minute."""
        return max(self._recent, default=0.0)

    def told(self) -> dict[str, float]:
        """All of it, in milliseconds."""
        return {
            "last_minute_ms": round(self.recent_s * 1000, 1),
            "worst_ms": round(self.worst_s * 1000, 1),
        }


def process_figures(proc: Path = Path("/proc/self")) -> dict[str, float | None]:
    """Memory (resident, now and at most), threads, open files; None if unknown."""
    lines: dict[str, str] = {}
    with contextlib.suppress(OSError):
        for line in (proc / "status").read_text().splitlines():
            key, _, value = line.partition(":")
            lines[key] = value
    files = None
    with contextlib.suppress(OSError):
        # One of them is this look itself.
        files = sum(1 for _ in (proc / "fd").iterdir()) - 1
    return {
        "memory_mb": _megabytes(lines.get("VmRSS")),
        "memory_peak_mb": _megabytes(lines.get("VmHWM")),
        "threads": int(lines["Threads"]) if "Threads" in lines else None,
        "open_files": files,
    }


def _megabytes(value: str | None) -> float | None:
    """Of "12345 kB"."""
    return None if value is None else round(int(value.split()[0]) / 1024, 1)
