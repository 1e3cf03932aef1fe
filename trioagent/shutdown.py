"""SIGINT and SIGTERM: the first asks us to leave, the second ends the process."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)


async def until_signal(main: Callable[[], Awaitable[None]]) -> int:
    """Run `main`; cancel it on SIGINT or SIGTERM.

    Returns the process's exit status: 0, also when a signal ended it. Errors of `main`
    pass through, in an exception group.
    """
    async with trio.open_nursery() as nursery:
        await nursery.start(_cancel_on_signal, nursery.cancel_scope)
        await main()
        nursery.cancel_scope.cancel("done")
    return 0


async def _cancel_on_signal(
    scope: trio.CancelScope,
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    with trio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        task_status.started()
        number = await anext(signals)
    # Leaving the block restored SIGTERM. SIGINT would raise KeyboardInterrupt, which
    # waits for threads that may never return; a second one must end us for sure.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    name = signal.Signals(number).name
    log.info("%s: leaving", name)
    scope.cancel(name)
