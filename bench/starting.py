"""From the command line to listening, with the tiny recognizer and a private server.

    python -m bench.starting [--rounds 10] [--json]

`ready_ms` is from the start of the process to its word that it listens; the first row
is `trioagent --version`, which only has to import. `rss_mb` is the process's when it
listens, and holds the recognizer where that is in the process: pocketsphinx and murmurd
have processes of their own, and so has the tiny one "behind wyoming".
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.agents import MODEL, Row, conditions, settings, with_settings
from bench.printing import percentiles, report

if TYPE_CHECKING:
    from collections.abc import Iterator

ELSEWHERE = "behind wyoming"
ASR = {
    "sherpa, tiny": {},
    "pocketsphinx": {"asr__provider": "pocketsphinx"},
    ELSEWHERE: {"asr__provider": "wyoming"},
}


def measure(rounds: int, name: str, folder: Path, **keys: object) -> Row:
    """Start and stop it so many times."""
    overrides = settings(folder, **ASR[name], **keys)
    if ASR[name]:
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


@contextmanager
def served() -> Iterator[str]:
    """The tiny recognizer in a process of its own; its address."""
    command = [sys.executable, "-m", "trioagent", "serve", "asr", "--json"]
    command += ["--provider", "sherpa", "--uri", "tcp://127.0.0.1:0"]
    command += ["--set", f"asr.model={json.dumps(str(MODEL))}"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
        assert server.stdout is not None
        try:
            yield json.loads(server.stdout.readline())["uri"]
        finally:
            server.terminate()


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
        rows += [
            measure(args.rounds, name, folder) for name in ASR if name != ELSEWHERE
        ]
        with served() as uri:
            rows.append(
                measure(args.rounds, ELSEWHERE, folder, asr__wyoming__uris=[uri])
            )
    report(rows, conditions(load), as_json=args.json)


if __name__ == "__main__":
    main()
