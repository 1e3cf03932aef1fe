"""What a test may leave behind: nothing."""

from __future__ import annotations

from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio
from trio.testing import wait_all_tasks_blocked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def living_tasks() -> Counter[str]:
    """How many tasks of each name this run has."""
    root = trio.lowlevel.current_root_task()
    assert root is not None
    found: Counter[str] = Counter()
    unseen = [root]
    while unseen:
        task = unseen.pop()
        found[task.name] += 1
        for nursery in task.child_nurseries:
            unseen += nursery.child_tasks
    return found


@asynccontextmanager
async def no_tasks_left() -> AsyncIterator[None]:
    """Fail if the block leaves a task behind; it must be quiet at its end."""
    before = living_tasks()
    yield
    await wait_all_tasks_blocked()
    left = living_tasks() - before
    assert not left, f"tasks left behind: {dict(left)}"
