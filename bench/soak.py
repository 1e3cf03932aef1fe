"""Whether an agent that talks for long still holds no more than at the beginning.

    python -m bench.soak --virtual TURNS [--every 50] [--warm-up 1000] [--json]
    python -m bench.soak --real MINUTES [--json]

`--virtual`: conversations of several people with an agent among fakes on a virtual
clock, hundreds of times as fast as real: interruptions, coughs, echoes, parts that get
slow and fail, lost links, text messages, people who come and go. `--real`: an agent as
`trioagent` runs it, in a process of its own, on a real Mumble server with the tiny
recognizer, espeak and an HTTP server that streams replies; callers in other processes
speak and interrupt; everything is recorded. See bench/soak_real.py.

What is printed: for resident memory, what malloc has given out, Python's blocks,
objects known to the garbage collector, tasks, threads and file descriptors the slope
per 1,000 turns, its 95 % confidence interval (bench/slopes.py), and whether that can be
told from zero. What came before the warm-up ended is left out. The exit code is 1 if
anything but resident memory grows: that one is also what malloc keeps for later, which
moves by itself, and is for people to judge.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio
from trio.testing import MockClock

from bench import soak_real
from bench.agents import Row, conditions
from bench.chance import UNLIMITED, conversation
from bench.soak_scene import SoakStage, converse, visits
from bench.vitals import Vitals, lines, rows, slopes, vitals
from tests.test_fuzz import MAX_WAIT_S, settled
from trioagent import Config
from trioagent.config import AccessConfig, ChunkerConfig, TurnConfig

if TYPE_CHECKING:
    from bench.slopes import Slope

MOMENTS = 20
VISITORS = 10
PROGRESS_S = 30.0
_COLUMNS = len(attrs.fields(Vitals))


async def talk(
    args: argparse.Namespace, folder: Path
) -> tuple[SoakStage, list[Vitals]]:
    """Hold conversations until there were turns enough; look now and then."""
    config = Config(
        access=AccessConfig(turns_per_minute=UNLIMITED),
        turn=TurnConfig(
            hold_ms=250, min_hold_ms=150, max_hold_ms=400, max_wait_s=MAX_WAIT_S
        ),
        chunker=ChunkerConfig(first_min_chars=1, min_chars=1),
    )
    rng = random.Random(args.seed)
    # With room for all: what is kept of looking must not be seen when looking.
    seen, count = np.zeros((args.virtual // args.every + 2, _COLUMNS)), 0
    last: Vitals | None = None
    told = time.perf_counter()
    async with trio.open_nursery() as nursery:
        latency_file = folder / "latency.jsonl"
        stage = SoakStage(config, nursery, latency_file=latency_file)
        nursery.start_soon(stage.run, name="agent")
        while stage.turns < args.virtual:
            await converse(stage, conversation(rng, args.seed, MOMENTS).script)
            await visits(stage, rng, VISITORS)
            await settled(stage)
            if last is None or stage.turns - last.turns >= args.every:
                last = vitals(stage.turns)
                seen[count] = attrs.astuple(last)
                count += 1
            if time.perf_counter() - told > PROGRESS_S:
                told = time.perf_counter()
                print(last, file=sys.stderr, flush=True)
        nursery.cancel_scope.cancel()
    return stage, [Vitals(*look) for look in seen[:count].tolist()]


def virtual(args: argparse.Namespace) -> tuple[Row, dict[str, Slope]]:
    """Measure on a virtual clock."""
    began = time.perf_counter()
    clock = MockClock(autojump_threshold=0)
    with tempfile.TemporaryDirectory() as folder:
        stage, seen = trio.run(talk, args, Path(folder), clock=clock)
    wall_s = time.perf_counter() - began
    virtual_s = clock.current_time()
    return {
        "turns": stage.turns,
        "outcomes": dict(stage.outcomes.most_common()),
        "interrupted": dict(stage.interrupted.most_common()),
        "presences": stage.presences,
        "virtual_hours": round(virtual_s / 3600, 2),
        "wall_s": round(wall_s, 1),
        "times_real_speed": round(virtual_s / wall_s, 1),
        "first": attrs.asdict(seen[0]),
        "last": attrs.asdict(seen[-1]),
    }, slopes(seen, args.warm_up)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--virtual", type=int, metavar="TURNS")
    kind.add_argument("--real", type=float, metavar="MINUTES")
    add("--every", type=int, default=50, metavar="TURNS", help="between two looks")
    add("--warm-up", type=int, default=None, metavar="TURNS", help="are left out")
    add("--seed", type=int, default=1)
    add("--json", action="store_true", help="one object")
    args = parser.parse_args()
    if args.warm_up is None:
        args.warm_up = args.virtual // 10 if args.virtual else 20
    load = os.getloadavg()[0]
    row, found = virtual(args) if args.virtual else soak_real.measure(args)
    command = "python -m bench.soak " + " ".join(sys.argv[1:])
    row = {"command": command, **conditions(load), **row}
    if args.json:
        print(json.dumps({**row, "slopes": rows(found)}))
    else:
        for key, value in row.items():
            print(f"{key}: {value}")
        print("\n".join(lines(found)))
    grown = [name for name, line in found.items() if line.is_growth]
    return 1 if set(grown) - {"rss_kib"} else 0


if __name__ == "__main__":
    sys.exit(main())
