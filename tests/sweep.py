"""Runs a scenario over and over, and interrupts it before another step each time."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator

import attrs
import trio
from trio._core import _run
from trio.testing import MockClock

Scenario = Callable[["Trigger"], Awaitable[None]]


@contextlib.contextmanager
def scheduled_by(seed: int) -> Iterator[None]:
    """Let `seed` alone decide in which order Trio runs tasks that are ready.

    Trio has no public switch; this is what its own plugin for Hypothesis uses. That
    it still works is seen by `sweep`, which compares two runs.
    """
    was, state = _run._ALLOW_DETERMINISTIC_SCHEDULING, _run._r.getstate()
    _run._ALLOW_DETERMINISTIC_SCHEDULING = True
    _run._r.seed(seed)
    try:
        yield
    finally:
        _run._ALLOW_DETERMINISTIC_SCHEDULING = was
        _run._r.setstate(state)


@attrs.define(eq=False)
class Trigger(trio.abc.Instrument):
    """Counts task steps from `arm` to `disarm`; acts before step `at`."""

    at: int | None = None
    steps: list[str] = attrs.Factory(list)
    error: Exception | None = None
    _act: Callable[[], None] | None = None

    def arm(self, act: Callable[[], None]) -> None:
        self._act = act

    def disarm(self) -> None:
        self._act = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self._act is None:
            return
        step = len(self.steps)
        self.steps.append(task.name)
        if step == self.at:
            try:
                self._act()
            except Exception as error:  # noqa: BLE001 - Trio would only log it
                self.error = error


def run_once(scenario: Scenario, seed: int, at: int | None) -> list[str]:
    """Run it on a virtual clock; return the name of the task of each step."""
    trigger = Trigger(at)
    clock = MockClock(autojump_threshold=0)
    with scheduled_by(seed):
        trio.run(scenario, trigger, clock=clock, instruments=[trigger])
    if trigger.error is not None:
        raise trigger.error
    return trigger.steps


def sweep(scenario: Scenario, seed: int, stride: int = 1) -> int:
    """Run it once for every `stride`-th step; return how many runs that were."""
    steps = run_once(scenario, seed, None)
    assert run_once(scenario, seed, None) == steps, "two runs of one seed differ"
    chosen = range(seed % stride, len(steps), stride)
    for step in chosen:
        try:
            run_once(scenario, seed, step)
        except BaseException as error:
            error.add_note(f"seed {seed}, before step {step}, of {steps[step]!r}")
            raise
    return len(chosen)
