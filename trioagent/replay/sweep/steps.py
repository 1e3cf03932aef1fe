"""Lets something happen before one step of one task, whichever is wanted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.define(eq=False)
class Trigger:
    """Counts the points that a run passes while armed; point `at` is the one."""

    at: int | None = None
    points: list[str] = attrs.Factory(list)
    """The names of those passed."""
    armed: bool = False

    def reached(self, name: str) -> bool:
        """Pass a point of this name; True if it is the one."""
        if not self.armed:
            return False
        self.points.append(name)
        return len(self.points) - 1 == self.at


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
    """Make each task step a point of `trigger`; call `act` before the one.

    What `act` raises is raised at the end of the block.
    """
    instrument = _BeforeSteps(trigger, act)
    trio.lowlevel.add_instrument(instrument)
    try:
        yield
    finally:
        trio.lowlevel.remove_instrument(instrument)
    if instrument.error is not None:
        raise instrument.error


def living_tasks() -> list[trio.lowlevel.Task]:
    """All tasks of this run."""
    root = trio.lowlevel.current_root_task()
    found: list[trio.lowlevel.Task] = []
    unseen = [] if root is None else [root]
    while unseen:
        task = unseen.pop()
        found.append(task)
        for nursery in task.child_nurseries:
            unseen += nursery.child_tasks
    return found
