"""SIGINT, SIGTERM and SIGHUP: the first asks us to leave, the second ends the process.

Before the event loop runs, SIGINT ends it too, without a word (`interruptible`).
"""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

log = logging.getLogger(__name__)

# What on_stop = "finish" may take: a sentence, not a story.
FINISH_S = 10.0


async def _at_once() -> None:
    await trio.lowlevel.checkpoint()


async def until_signal(
    main: Callable[[], Awaitable[None]],
    finish: Callable[[], Awaitable[None]] = _at_once,
) -> int:
    """Run `main`; at the first signal run `finish` for `FINISH_S` at most, then cancel.

    SIGHUP (the terminal is gone) is such a signal unless it is ignored, as by nohup.

    Returns the process's exit status: 0, also when a signal ended it. Errors of `main`
    pass through, in an exception group.
    """
    async with trio.open_nursery() as nursery:
        await nursery.start(_leave_on_signal, nursery.cancel_scope, finish)
        await main()
        nursery.cancel_scope.cancel("done")
    return 0


async def _leave_on_signal(
    scope: trio.CancelScope,
    finish: Callable[[], Awaitable[None]],
    *,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    with trio.open_signal_receiver(*numbers) as signals:
        task_status.started()
        number = await anext(signals)
    # What was there before could wait for threads that never return; a second one must
    # end us for sure.
    for again in numbers:
        signal.signal(again, signal.SIG_DFL)
    name = signal.Signals(number).name
    log.info("%s: leaving", name)
    with trio.move_on_after(FINISH_S):
        await finish()
    scope.cancel(name)
