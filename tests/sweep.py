"""Runs a scenario over and over; something else happens in each, at one point of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock

from trioagent.replay.clock import scheduled_by
from trioagent.replay.sweep.steps import Trigger, before_a_step

__all__ = ["Scenario", "Trigger", "before_a_step", "run_once", "scheduled_by", "sweep"]

Scenario = Callable[[Trigger], Awaitable[None]]


def run_once(scenario: Scenario, seed: int, at: int | None) -> list[str]:
    """Run it on a virtual clock; return the points that it passed."""
    trigger = Trigger(at)
    try:
        with scheduled_by(seed):
            trio.run(scenario, trigger, clock=MockClock(autojump_threshold=0))
    except BaseException as error:
        point = "nothing happens" if at is None else f"at point {at}"
        error.add_note(f"sweep: seed {seed}, {point}, {trigger.points[-1:]}")
        raise
    return trigger.points


def sweep(scenario: Scenario, seed: int, stride: int = 1) -> int:
    """Run it once for every `stride`-th point; return how many runs that were."""
    points = run_once(scenario, seed, None)
    assert run_once(scenario, seed, None) == points, "two runs of one seed differ"
    chosen = range(seed % stride, len(points), stride)
    for at in chosen:
        run_once(scenario, seed, at)
    return len(chosen)
