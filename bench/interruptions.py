"""Random interruptions in whole conversations, and what they may not leave behind.

    python -m bench.interruptions [--count 10000] [--seed 1] [--moments 24] [--json]

Conversations of three people with an agent among fakes, on a virtual clock: whoever
speaks, coughs or echoes does so at a random moment of somebody's reply, with random
words; parts get slow and fail, people come and go, the link is lost. Three in ten
conversations end by stopping the agent in the middle. It goes on until so many replies
and turns were interrupted, by speech, by link losses, by leaving or by the stop.

After each conversation the journals, the frames that went out and the history are
checked by the same rules as in tests/fuzz_rules.py, and everybody is answered once
more. Counted are: tasks and calls that stayed, frames that were nobody's (after an
interrupt, or of two replies), histories that do not say what the frames spell, agents
that answer no more. What fails is printed with the shortest script that fails the same.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import time
from collections import Counter
from typing import TYPE_CHECKING

import attrs
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from bench.agents import Row, conditions
from bench.chance import Drawn, conversation
from tests.fuzz_rules import check_history, check_one_at_a_time, check_rules
from tests.fuzz_stage import Stage
from tests.leaks import living_tasks
from tests.sweep import scheduled_by
from tests.test_fuzz import PROBES, check_answers, no_bugs_logged, settled

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS = ("leaked", "stale frames", "history", "mute", "other rules", "crashed")
SCHEDULES = 4
PROGRESS_S = 30.0


@attrs.define(eq=False)
class Result:
    """What one conversation came to."""

    interrupted: Counter[str] = attrs.Factory(Counter)
    """Why, and how often."""
    turns: int = 0
    virtual_s: float = 0.0
    frames: int = 0
    probes: int = 0
    failures: dict[str, str] = attrs.Factory(dict)
    """Which check failed, and what it said."""

    def check(self, kind: str, check: Callable[[], object]) -> None:
        """Run a check; remember what it says if it fails."""
        try:
            check()
        except AssertionError as error:
            self.failures.setdefault(kind, str(error) or "an assertion failed")


def play(drawn: Drawn) -> Result:
    """Hold a conversation; never raises."""
    result = Result()
    try:
        with scheduled_by(drawn.seed % SCHEDULES), no_bugs_logged():
            trio.run(_play, drawn, result, clock=MockClock(autojump_threshold=0))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
        result.failures["crashed"] = f"{error!r}"[:500]
    return result


async def _play(drawn: Drawn, result: Result) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage(drawn.config, nursery)
        running = trio.CancelScope()

        async def run() -> None:
            with running:
                await stage.agent.run()

        alone = living_tasks()
        nursery.start_soon(run, name="agent")
        await wait_all_tasks_blocked()
        before = living_tasks()
        for person in stage.people[:2]:
            stage.join(person)
        for action in drawn.script:
            await action.do(stage)
        if drawn.stop:
            await _stop(stage, running, result, alone)
        else:
            await _go_on(stage, result, before)
        _count(stage, result)
        nursery.cancel_scope.cancel()


async def _stop(
    stage: Stage, running: trio.CancelScope, result: Result, alone: Counter[str]
) -> None:
    """Stop the agent at whatever it does: nothing of it may stay or sound."""
    result.interrupted["stopped"] += stage.busy.get("turns", 0)
    running.cancel()
    written = len(stage.room.frames)
    # People still finish their sentences, for nobody.
    await trio.sleep(20)
    await wait_all_tasks_blocked()
    left = living_tasks() - alone
    result.check("leaked", lambda: _none(left or stage.busy, "stayed"))
    late = len(stage.room.frames) - written
    result.check("stale frames", lambda: _none(late, "frames after the stop"))


async def _go_on(stage: Stage, result: Result, before: Counter[str]) -> None:
    """All is well again: everything ends by itself, and everybody is answered."""
    stage.heal()
    try:
        await settled(stage)
    except AssertionError:
        result.failures["leaked"] = f"never ended: {stage.busy}"
        return
    await wait_all_tasks_blocked()
    left = living_tasks() - before
    result.check("leaked", lambda: _none(left, "tasks stayed"))
    stage.note_written()
    result.check("stale frames", lambda: check_one_at_a_time(stage))
    for turn in stage.turns:
        result.check("history", lambda turn=turn: check_history(stage, turn))
    if not result.failures:
        result.check("other rules", lambda: check_rules(stage))
    for person, text in zip(stage.people, PROBES, strict=True):
        result.probes += person.speaker is not None
        try:
            await check_answers(stage, person, text)
        except AssertionError as error:
            result.failures.setdefault("mute", f"{person.name}: {error}"[:500])


def _none(found: object, what: str) -> None:
    assert not found, f"{found} {what}"


def _count(stage: Stage, result: Result) -> None:
    for seen in stage.seen:
        if seen.event.name == "interrupted":
            result.interrupted[seen.event.data["reason"]] += 1
    result.turns += len(stage.turns)
    result.frames += len(stage.room.frames)
    result.virtual_s += trio.current_time()


def shortened(drawn: Drawn, kind: str) -> Drawn:
    """The same with as few actions as still fail the same check."""
    size = max(1, len(drawn.script) // 2)
    while size:
        start = 0
        while start < len(drawn.script):
            shorter = drawn.script[:start] + drawn.script[start + size :]
            candidate = attrs.evolve(drawn, script=shorter)
            if kind in play(candidate).failures:
                drawn = candidate
            else:
                start += size
        size //= 2
    return drawn


@attrs.define(eq=False)
class Totals:
    """What all conversations came to."""

    conversations: int = 0
    failed: Counter[str] = attrs.Factory(Counter)
    all: Result = attrs.Factory(Result)

    def add(self, result: Result) -> None:
        """One more."""
        self.conversations += 1
        self.failed.update(list(result.failures))
        self.all.interrupted.update(result.interrupted)
        for name in ("turns", "virtual_s", "frames", "probes"):
            setattr(self.all, name, getattr(self.all, name) + getattr(result, name))

    def row(self, wall_s: float) -> Row:
        """For people and programs."""
        total = self.all
        return {
            "interruptions": total.interrupted.total(),
            "by_reason": dict(total.interrupted.most_common()),
            "conversations": self.conversations,
            "turns": total.turns,
            "frames": total.frames,
            "probes": total.probes,
            "virtual_hours": round(total.virtual_s / 3600, 2),
            "wall_s": round(wall_s, 1),
            "times_real_speed": round(total.virtual_s / wall_s, 1),
            "failures": {kind: self.failed[kind] for kind in KINDS},
        }


def measure(args: argparse.Namespace) -> Row:
    """Hold conversations until there were interruptions enough."""
    totals, began, seed = Totals(), time.perf_counter(), args.seed
    told = began
    while totals.all.interrupted.total() < args.count:
        drawn = conversation(random.Random(seed), seed, args.moments)
        result = play(drawn)
        totals.add(result)
        for kind, said in result.failures.items():
            short = shortened(drawn, kind)
            script = ",\n    ".join(map(repr, short.script))
            text = f"seed {seed}: {kind}: {said}\n  [{script}], stop={short.stop}"
            print(text, file=sys.stderr, flush=True)
        if (now := time.perf_counter()) - told > PROGRESS_S:
            told, row = now, totals.row(now - began)
            print(json.dumps(row), file=sys.stderr, flush=True)
        seed += 1
    return totals.row(time.perf_counter() - began)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--count", type=int, default=10_000, metavar="N", help="of interruptions")
    add("--seed", type=int, default=1, help="of the first conversation")
    add("--moments", type=int, default=24, help="sounds in a conversation")
    add("--json", action="store_true", help="one object")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    row = measure(args)
    command = "python -m bench.interruptions " + " ".join(sys.argv[1:])
    row = {"command": command, **conditions(load), **row}
    if args.json:
        print(json.dumps(row))
    else:
        for key, value in row.items():
            print(f"{key}: {value}")
    return 1 if any(row["failures"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
