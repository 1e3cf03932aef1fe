"""What the benches share: an agent in a process of its own, and somebody who calls it.

`python -m bench.agents --journal FILE --set KEY=VALUE …` runs an agent that writes each
event of each turn into FILE, one JSON object a line; the benches start it themselves.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import attrs
import numpy as np
import trio

from trioagent.app import open_room, run_agent
from trioagent.calling.caller import call
from trioagent.configuration.file import load_config
from trioagent.shutdown import until_signal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.calling.plan import CallPlan, CallResult
    from trioagent.config import Config
    from trioagent.interfaces import Recognizer
    from trioagent.journal.events import Event, TurnJournal

MODEL = Path(__file__).parents[1] / "tests/data/tiny-nemotron-160ms"

Row = dict[str, Any]


def settings(folder: Path, **more: object) -> list[str]:
    """What `--set` takes, for a private server; `more` has "__" for a key's dots."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    keys: Row = {
        "mumble.server": "embedded",
        "mumble.port": port,
        "asr.provider": "sherpa",
        "asr.model": str(MODEL),
        "journal.latency_file": str(folder / "latency.jsonl"),
    }
    keys |= {key.replace("__", "."): value for key, value in more.items()}
    return [f"{key}={json.dumps(value)}" for key, value in keys.items()]


def with_settings(command: list[str], overrides: list[str]) -> list[str]:
    """The command with a `--set` for each of them."""
    return command + [word for text in overrides for word in ("--set", text)]


@contextmanager
def started(command: list[str], log: Path) -> Iterator[str]:
    """Run another program until the block ends; yields the first line it prints."""
    with (
        log.open("w+", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as process,
    ):
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                sys.exit(f"{' '.join(command)} did not start:\n{log.read_text()}")
            yield line.strip()
        finally:
            process.send_signal(signal.SIGTERM)


@contextmanager
def journaling_agent(overrides: list[str], folder: Path) -> Iterator[Path]:
    """Run an agent; it is in its room when the block begins. Yields its journal."""
    # Ours and the agent's: the embedded server's certificate is kept there.
    os.environ["XDG_STATE_HOME"] = str(folder)
    journal = folder / "journal.jsonl"
    command = ["-m", "bench.agents", "--journal", str(journal)]
    with started(with_settings(command, overrides), folder / "agent.log"):
        yield journal


def turns_of(journal: Path) -> list[list[Row]]:
    """The events of each turn, in their order."""
    turns: dict[int, list[Row]] = {}
    for line in journal.read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        turns.setdefault(event["turn"], []).append(event)
    return list(turns.values())


def first(events: list[Row], name: str) -> Row | None:
    """The first event of this name."""
    return next((event for event in events if event["name"] == name), None)


async def called(
    config: Config, plan: CallPlan, recognizer: Recognizer | None = None
) -> list[CallResult]:
    """Do as `trioagent call` does, as a new user; return what came back."""
    send, receive = trio.open_memory_channel[Any](2 * len(plan.utterances))
    # Without the comment that says of an agent what it is: this is a person.
    ours = attrs.evolve(config.mumble, user="caller", comment="")
    async with open_room(ours) as room:
        with send, receive:
            await call(room, config.mumble.user, plan, send, recognizer)
            count = receive.statistics().current_buffer_used
            return [receive.receive_nowait() for _ in range(count)]


def quantiles(values: list[float]) -> dict[str, float]:
    """How many, the median, the 95th percentile and the largest."""
    if not values:
        return {"count": 0}
    p50, p95, worst = np.percentile(values, [50, 95, 100]).round(1).tolist()
    return {"count": len(values), "p50": p50, "p95": p95, "max": worst}


def conditions(load_before: float) -> Row:
    """Where this was measured."""
    load = f"{load_before:.1f} before, {os.getloadavg()[0]:.1f} after"
    return {
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {_processor()}",
        "load": load,
    }


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.exists():
        return platform.processor()
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    names = [line.split(":", 1)[1].strip() for line in lines if "model name" in line]
    return names[0] if names else platform.processor()


async def _run(config: Config, journal: TextIO) -> None:
    def write_down(turn: TurnJournal, event: Event) -> None:
        row = {"turn": turn.number, "t": event.t, "name": event.name, **event.data}
        journal.write(json.dumps(row) + "\n")

    await run_agent(config, [write_down], lambda _room: print("ready", flush=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    args = parser.parse_args()
    config = load_config(None, args.overrides)
    with args.journal.open("w", buffering=1, encoding="utf-8") as journal:
        trio.run(until_signal, lambda: _run(config, journal))


if __name__ == "__main__":
    main()
