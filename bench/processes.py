"""What the processes of a bench cost, and how to find them."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import attrs
import numpy as np
import trio

SAMPLE_S = 1.0
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@attrs.define(eq=False)
class Machine:
    """What the processes cost, sampled."""

    pids: dict[str, int]
    rss_mb: list[tuple[float, float]] = attrs.Factory(list)

    async def sample(self) -> None:
        """Note the agent's memory, until cancelled."""
        while True:
            now = trio.current_time()
            self.rss_mb.append((now, _rss_mb(self.pids["agent"])))
            await trio.sleep(SAMPLE_S)

    def cpu_s(self) -> dict[str, float]:
        """How much each has computed so far."""
        return {name: _cpu_s(pid) for name, pid in self.pids.items()}

    def slope_mb_per_minute(self) -> float:
        """Of the memory; its first third is for warming up."""
        later = np.array(self.rss_mb[len(self.rss_mb) // 3 :])
        if len(later) < 3:
            return 0.0
        slope, _ = np.polyfit(later[:, 0], later[:, 1], 1)
        return round(float(slope) * 60, 2)


def _rss_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_S


def pid_with(*words: str) -> int:
    """The process whose command line has these words."""
    for folder in Path("/proc").iterdir():
        try:
            command = (folder / "cmdline").read_bytes().decode().split("\0")
        except (OSError, UnicodeDecodeError):
            continue
        if all(any(word in part for part in command) for word in words):
            return int(folder.name)
    sys.exit(f"no process runs {' '.join(words)}")


def pid_of_server(port: int) -> int:
    """The murmurd that listens on `port`."""
    for file in Path(tempfile.gettempdir()).glob("trioagent-murmurd-*/murmur.ini"):
        if f'port="{port}"' in file.read_text():
            return pid_with(str(file))
    sys.exit(f"no murmurd has port {port}")
