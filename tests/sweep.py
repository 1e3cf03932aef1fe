"""Runs a scenario over and over; something else happens in each, at one point of it."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Iterator

import attrs
import trio
from trio._core import _run
from trio.testing import MockClock


@attrs.define(eq=False)
class Trigger:
    """Counts the points that a run passes while armed; point `at` is the one."""

    at: int | None = None
    points: list[str] = attrs.Factory(list)
    armed: bool = False

    def reached(self, name: str) -> bool:
        """Pass a point of this name; True if it is the one."""
        if not self.armed:
            return False
        self.points.append(name)
        return len(self.points) - 1 == self.at


Scenario = Callable[[Trigger], Awaitable[None]]


@attrs.define(eq=False)
class _BeforeSteps(trio.abc.Instrument):
    trigger: Trigger
    act: Callable[[], None]
    error: Exception | None = None

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        if self.trigger.reached(task.name):
            try:
                self.act()
            except Exception as error:  # noqa: BLE001 - Trio would only log it
                self.error = error


@contextlib.contextmanager
def before_a_step(trigger: Trigger, act: Callable[[], None]) -> Iterator[None]:
    """Make each task step a point of `trigger`; call `act` between two of them."""
    instrument = _BeforeSteps(trigger, act)
    trio.lowlevel.add_instrument(instrument)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(instrument)
    if instrument.error is not None:
        raise instrument.error


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
