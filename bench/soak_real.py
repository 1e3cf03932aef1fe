"""The real soak: an agent as it is used, and people who call it, each a process.

`measure` starts a server of chat completions that streams (tests/e2e/sse_server.py), an
agent (`python -m bench.soak_real --agent …`: embedded murmurd, the tiny recognizer,
silero, espeak, everything recorded, latencies kept), and then one call after the other
with `trioagent call`: a few sentences, every second call interrupts each reply. The
agent looks at itself every few seconds and prints what it sees.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from bench.agents import Row, settings, started, with_settings
from bench.conversation import NAMES, SENTENCES
from bench.vitals import Vitals, slopes, vitals
from trioagent.app import run_agent
from trioagent.configuration.file import load_config
from trioagent.one_heap import use_one_heap
from trioagent.shutdown import until_signal

if TYPE_CHECKING:
    from bench.slopes import Slope
    from trioagent.config import Config
    from trioagent.journal.events import Event, TurnJournal

LOOK_S = 10.0
PER_CALL = 4
CALL_TIMEOUT_S = 240.0
REPLY = "You said: {user}. That is all that there is to say about it for now."
INTERRUPTIONS = ("stop", "wait", "what time is it in london")


@attrs.define(eq=False)
class Looks:
    """Looks at this process, one line each."""

    turns: int = 0

    def observe(self, _journal: TurnJournal, event: Event) -> None:
        """Count the turns that have ended."""
        self.turns += event.name == "outcome"

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await trio.sleep(LOOK_S)
            seen = attrs.asdict(vitals(self.turns))
            print(json.dumps({"at": time.time(), **seen}), flush=True)


async def _agent(config: Config) -> None:
    looks = Looks()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(looks.run, name="looks")
        ready = lambda _agent: print("ready", flush=True)  # noqa: E731 - one line
        await run_agent(config, [looks.observe], ready)
        nursery.cancel_scope.cancel()


def measure(args: argparse.Namespace) -> tuple[Row, dict[str, Slope]]:
    """Let people call for so many minutes."""
    with tempfile.TemporaryDirectory() as folder:
        return _measure(args, Path(folder))


def _measure(args: argparse.Namespace, folder: Path) -> tuple[Row, dict[str, Slope]]:
    os.environ["XDG_STATE_HOME"] = str(folder)
    server = ["-m", "tests.e2e.sse_server", "--reply", REPLY]
    server += ["--first-token-ms", "150", "--token-ms", "15"]
    with started(server, folder / "llm.log") as url:
        overrides = settings(
            folder,
            llm__providers=["openai", "echo"],
            llm__openai__base_url=url,
            recording__folder=str(folder / "recordings"),
            recording__max_mb=20,
            access__turns_per_minute=1000,
            status__socket=str(folder / "status"),
        )
        command = with_settings(["-m", "bench.soak_real", "--agent"], overrides)
        began = time.monotonic()
        seen_file = folder / "seen.jsonl"
        with seen_file.open("w", encoding="utf-8") as out:
            calls = _with_agent(command, out, folder, overrides, args.real * 60)
        wall_s = time.monotonic() - began
        seen = _seen(seen_file)
        outcomes = _outcomes(folder / "latency.jsonl")
        log = (folder / "agent.log").read_text(encoding="utf-8").splitlines()
    if calls["exit"] != 0:
        print("\n".join(log), file=sys.stderr, flush=True)
    return {
        "minutes": round(wall_s / 60, 1),
        "calls": calls,
        "outcomes": outcomes,
        "first": [attrs.asdict(look) for look in seen[:1]],
        "last": [attrs.asdict(look) for look in seen[-1:]],
        "looks": [attrs.astuple(look) for look in seen],
        "log_lines": len(log),
        "log_tail": log[-5:],
    }, slopes(seen, args.warm_up)


def _with_agent(
    command: list[str], out: object, folder: Path, overrides: list[str], seconds: float
) -> Row:
    """Run the agent, and call it until the time is over."""
    totals = {"calls": 0, "utterances": 0, "answered": 0, "interrupted": 0}
    ends_at = time.monotonic() + seconds
    with (
        (folder / "agent.log").open("w", encoding="utf-8") as log,
        subprocess.Popen([sys.executable, *command], stdout=out, stderr=log) as agent,  # type: ignore[call-overload]
    ):
        try:
            _until_ready(agent, folder)
            for number in itertools.count():
                if time.monotonic() > ends_at or agent.poll() is not None:
                    break
                rows = _call(number, overrides)
                said = [row for row in rows if not row["interrupts"]]
                totals["calls"] += 1
                totals["utterances"] += len(said)
                totals["answered"] += sum(row["ttfa_ms"] is not None for row in said)
                totals["interrupted"] += len(rows) - len(said)
                print(json.dumps(totals), file=sys.stderr, flush=True)
        finally:
            agent.terminate()
    return {**totals, "exit": agent.returncode}


def _until_ready(agent: subprocess.Popen[bytes], folder: Path) -> None:
    seen = folder / "seen.jsonl"
    while "ready" not in seen.read_text(encoding="utf-8"):
        if agent.poll() is not None:
            sys.exit((folder / "agent.log").read_text(encoding="utf-8"))
        time.sleep(0.5)


def _call(number: int, overrides: list[str]) -> list[Row]:
    """One call by somebody; what came of each utterance."""
    first = number * PER_CALL
    said = [SENTENCES[(first + i) % len(SENTENCES)] for i in range(PER_CALL)]
    command = with_settings(["-m", "trioagent", "call"], overrides)
    command += ["--json", "--log-level", "error"]
    command += ["--user", NAMES[number % len(NAMES)]]
    command += [word for text in said for word in ("--say", text)]
    if number % 2:
        words = INTERRUPTIONS[number // 2 % len(INTERRUPTIONS)]
        command += ["--interrupt-say", words]
        command += ["--interrupt-at", f"{0.3 + number % 5 * 0.4:.1f}"]
    try:
        done = subprocess.run(
            [sys.executable, *command],
            stdout=subprocess.PIPE,
            timeout=CALL_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return []
    return [json.loads(line) for line in done.stdout.splitlines()]


def _seen(file: Path) -> list[Vitals]:
    lines = file.read_text(encoding="utf-8").splitlines()
    looks = [json.loads(line) for line in lines if line.startswith("{")]
    return [Vitals(**{k: v for k, v in x.items() if k != "at"}) for x in looks]


def _outcomes(file: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    for line in lines:
        outcome = json.loads(line)["outcome"]
        found[outcome] = found.get(outcome, 0) + 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agent", action="store_true", required=True)
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    args = parser.parse_args()
    use_one_heap()  # as `trioagent` does
    config = load_config(None, args.overrides)
    gc.collect()
    trio.run(until_signal, lambda: _agent(config))


if __name__ == "__main__":
    main()
