"""From the command line to listening, with the tiny recognizer and a private server.

    python -m bench.starting [--rounds 10] [--json]

`ready_ms` is from the start of the process to its word that it listens; `version_ms`
is `trioagent --version`, which only has to import. `rss_mb` is the process's when it
listens, recognizer included; murmurd is a process of its own.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.agents import Row, conditions, settings, with_settings
from bench.printing import percentiles, report

ASR = {"sherpa, tiny": {}, "pocketsphinx": {"asr__provider": "pocketsphinx"}}


def measure(rounds: int, name: str, folder: Path) -> Row:
    """Start and stop it so many times."""
    overrides = settings(folder, **ASR[name])
    if name == "pocketsphinx":
        overrides = [text for text in overrides if not text.startswith("asr.model=")]
    command = with_settings([sys.executable, "-m", "trioagent", "--json"], overrides)
    times, sizes = [], []
    for _ in range(rounds):
        began = time.perf_counter()
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as agent:
            assert agent.stdout is not None
            assert b"ready" in agent.stdout.readline()
            times.append((time.perf_counter() - began) * 1000)
            sizes.append(rss_mb(agent.pid))
            agent.terminate()
    return {
        "recognizer": name,
        "ready_ms": percentiles(times),
        "rss_mb": percentiles(sizes),
    }


def rss_mb(process: int) -> float:
    """Of a process, now."""
    pages = Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * resource.getpagesize() / 1e6


def version(rounds: int) -> Row:
    """What imports alone take."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "trioagent", "--version"],
            stdout=subprocess.DEVNULL,
            check=True,
        )
        times.append((time.perf_counter() - began) * 1000)
    return {"recognizer": "none: --version", "ready_ms": percentiles(times)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["XDG_STATE_HOME"] = name
        rows = [version(args.rounds)]
        rows += [measure(args.rounds, name, folder) for name in ASR]
    report(rows, conditions(load), as_json=args.json)


if __name__ == "__main__":
    main()
