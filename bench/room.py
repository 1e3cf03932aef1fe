"""What a crowd does to the agent: how soon it hears, answers, ducks, and what it costs.

    python -m bench.room [--clients 50] [--talkers 20] [--seconds 60] [--json]

Starts an agent (embedded murmurd, the tiny recognizer, echo, espeak-ng) that answers
those who call it by name, in a process of its own, and a crowd in a second one. First
the crowd is silent, then some of them talk all the time, over each other: recordings of
people, none of whom calls the agent. All the while a user in this process, with
`trioagent call`'s means and over UDP, asks the agent something and breaks into the
answer.

`ttfa_ms` is from the end of the question to the first packet of the answer, `duck_ms`
from the first packet of the interruption to the last audible one of the reply, by the
user's clock. `answered_others` counts turns of the crowd that the agent answered, which
nobody asked for. `cpu` is in percent of one core; `rss_mb_per_minute` is the slope of a
line through the agent's memory while the crowd talks. The third row is how many times
slower the agent is while they talk.

On a machine that does other things, too, the agent starves beside the crowd, and this
measures that: look at `load`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

import attrs
import trio

from bench.agents import (
    Row,
    called,
    conditions,
    journaling_agent,
    quantiles,
    settings,
    turns_of,
)
from bench.processes import Machine, pid_of_server, pid_with
from trioagent.app import open_synthesizer
from trioagent.calling.at_once import speak
from trioagent.calling.plan import CallPlan
from trioagent.calling.utterances import Utterance
from trioagent.config import Config
from trioagent.configuration.file import load_config

if TYPE_CHECKING:
    from collections.abc import Iterator

NAME = "frank"
CALLER = "caller"
QUESTIONS = (
    "frank tell me a story about alice and the green door in the garden",
    "frank book a flight to paris on friday and a table for seven",
    "frank i would like some soup and bread please and ten apple pizza",
)
STOP = "stop"
INTERRUPT_AT_S = 1.2


@contextmanager
def crowd(args: argparse.Namespace, config: Config, folder: Path) -> Iterator[IO[str]]:
    """A crowd in a process of its own; each line written to it starts or ends talk."""
    ca_file = next(folder.rglob("cert.pem"))
    command = [sys.executable, "-m", "tests.e2e.crowd", "--ca-file", str(ca_file)]
    command += ["--port", str(config.mumble.port), "--clients", str(args.clients)]
    command += ["--talkers", str(args.talkers)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            if not process.stdout or not process.stdin or not process.stdout.readline():
                sys.exit("the crowd did not come")
            yield process.stdin
        finally:
            process.terminate()


@attrs.frozen(eq=False)
class Caller:
    """Who talks to the agent."""

    config: Config
    questions: tuple[Utterance, ...]
    stop: Utterance

    async def ask(self, number: int) -> Row:
        """Ask, break into the answer; return the user's times."""
        plan = CallPlan(
            utterances=(self.questions[number % len(self.questions)],),
            interruption=self.stop,
            interrupt_at_s=INTERRUPT_AT_S,
            reply_timeout_s=10.0,
        )
        replied, *_after = await called(self.config, plan)
        row: Row = {"ttfa_ms": replied.ttfa_ms, "reply_s": replied.reply_s}
        broken = replied.interruption
        return row | (attrs.asdict(broken) if broken else {})


async def scene(caller: Caller, machine: Machine, journal: Path, seconds: float) -> Row:
    """Ask again and again for `seconds`; return what that was like."""
    before, cpu, began = len(turns_of(journal)), machine.cpu_s(), trio.current_time()
    rows = []
    async with trio.open_nursery() as nursery:
        machine.rss_mb.clear()
        nursery.start_soon(machine.sample)
        while trio.current_time() - began < seconds:
            rows.append(await caller.ask(len(rows)))
        nursery.cancel_scope.cancel()
    lasted = trio.current_time() - began
    spent = machine.cpu_s()
    found = {
        key: quantiles([row[key] for row in rows if row.get(key) is not None])
        for key in ("ttfa_ms", "duck_ms", "stop_ms")
    }
    return {
        "seconds": round(lasted, 1),
        "asked": len(rows),
        "answered": sum(row["reply_s"] > 0 for row in rows),
        **found,
        **others(turns_of(journal)[before:]),
        "cpu": {n: round((spent[n] - cpu[n]) / lasted * 100, 1) for n in spent},
        "rss_mb": round(machine.rss_mb[-1][1], 1),
        "rss_mb_per_minute": machine.slope_mb_per_minute(),
    }


def others(turns: list[list[Row]]) -> Row:
    """What the agent made of the crowd's turns."""
    crowds = [turn for turn in turns if turn[0].get("speaker") != CALLER]
    names = [{event["name"] for event in turn} for turn in crowds]
    return {
        "crowd_turns": len(crowds),
        "answered_others": sum("first_frame" in found for found in names),
        "failed": sum(
            event.get("kind") == "failed" for turn in turns for event in turn
        ),
    }


async def measure(args: argparse.Namespace, folder: Path) -> list[Row]:
    """The rows of both scenes: a silent crowd, and one that talks."""
    overrides = settings(
        folder, agent__respond="addressed", agent__names=[NAME], agent__attention_s=5
    )
    with journaling_agent(overrides, folder) as journal:
        config = load_config(None, overrides)
        async with open_synthesizer(config) as synthesizer:
            said = [
                Utterance(
                    text,
                    await speak(synthesizer, text),
                    synthesizer.rate_hz,
                    noisy=False,
                )
                for text in (*QUESTIONS, STOP)
            ]
        caller = Caller(config, tuple(said[:-1]), said[-1])
        with crowd(args, config, folder) as talk:
            machine = Machine(
                {
                    "agent": pid_with("bench.agents", str(journal)),
                    "murmurd": pid_of_server(config.mumble.port),
                    "crowd": pid_with("tests.e2e.crowd", str(config.mumble.port)),
                    "caller": os.getpid(),
                }
            )
            await caller.ask(0)  # connections and models are warm from now on
            quiet = await scene(caller, machine, journal, args.quiet)
            _toggle(talk)
            loud = await scene(caller, machine, journal, args.seconds)
            _toggle(talk)
    rows = [{"talking": 0, **quiet}, {"talking": args.talkers, **loud}]
    return [*rows, slower(quiet, loud)]


def slower(quiet: Row, loud: Row) -> Row:
    """How many times longer the same takes while the crowd talks."""
    return {
        f"{key}_times": {
            q: round(loud[key][q] / quiet[key][q], 2)
            for q in ("p50", "p95")
            if quiet[key].get(q) and q in loud[key]
        }
        for key in ("ttfa_ms", "duck_ms")
    }


def _toggle(talk: IO[str]) -> None:
    talk.write("\n")
    talk.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--talkers", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=60, help="that they talk")
    parser.add_argument("--quiet", type=float, default=40, help="seconds before")
    parser.add_argument("--json", action="store_true", help="one object per line")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        rows = trio.run(measure, args, Path(folder))
    for row in [*rows, conditions(load)]:
        print(json.dumps(row) if args.json else row)


if __name__ == "__main__":
    sys.exit(main())
