"""Interrupts a recorded turn before every step of every task, one run for each.

The runs are exact: the same recording, configuration, seed and step give the same run.
"""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.replay.again import LEAD_S
from trioagent.replay.clock import VirtualClock, scheduled_by
from trioagent.replay.sweep.steps import Trigger
from trioagent.replay.sweep.swept import SweptRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.config import Config
    from trioagent.recording.recording import Recording


@attrs.frozen
class Violation:
    """Rules that were broken in one run.

    Attributes:
        step: Before which of the turn's steps it was interrupted; None if before none.
        task: Whose step that was.
        broken: The rules, as sentences.
    """

    turn: int
    step: int | None
    task: str
    seed: int
    broken: tuple[str, ...]


@attrs.frozen
class Swept:
    """A recording, swept."""

    turns: int
    runs: int
    violations: tuple[Violation, ...]


def sweep(
    recording: Recording, config: Config, *, stride: int = 1, seed: int = 0
) -> Swept:
    """Interrupt each recorded turn before every `stride`-th step while it runs."""
    runs = 0
    violations: list[Violation] = []
    for turn in recording.turns:
        points, found = sweep_turn(recording, config, turn, stride, seed)
        runs += points
        violations += found
    return Swept(len(recording.turns), runs, tuple(violations))


def sweep_turn(
    recording: Recording, config: Config, turn: int, stride: int, seed: int
) -> tuple[int, list[Violation]]:
    """The same for one turn; how many runs it took."""
    undisturbed = Trigger()
    first = run_once(recording, config, turn, undisturbed, seed)
    points = undisturbed.points
    again = Trigger()
    run_once(recording, config, turn, again, seed)
    violations = [] if first is None else [first]
    if points != again.points:
        broken = ("two runs of one seed differ",)
        violations.append(Violation(turn, None, "", seed, broken))
    steps = range(0, len(points), stride)
    for step in steps:
        found = run_once(recording, config, turn, Trigger(step), seed)
        violations += [] if found is None else [found]
    return len(steps), violations


def run_once(
    recording: Recording, config: Config, turn: int, trigger: Trigger, seed: int
) -> Violation | None:
    """Run it, interrupting `turn` at the trigger; what it broke, if anything."""
    start = min([0.0, *(entry.t for entry in recording.entries[:1])]) - LEAD_S
    clock = VirtualClock(start, sorted({entry.t for entry in recording.entries}))
    run = SweptRun(recording, config, turn, trigger, clock)
    broken = run.broken
    with scheduled_by(seed), _silence():
        try:
            trio.run(run.run, clock=clock)
        except Exception as error:  # noqa: BLE001 - that it came out is what is found
            broken = [*broken, f"the agent failed: {_leaf(error)!r}"]
    if not broken:
        return None
    task = trigger.points[-1] if trigger.at is not None and trigger.points else ""
    return Violation(turn, trigger.at, task, seed, tuple(dict.fromkeys(broken)))


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """Log nothing: that turns fail, where the recording knows no more, is no news."""
    was = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(was)


def _leaf(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
