"""Virtual time, and who runs first in it."""
# ruff: noqa: SLF001 - Trio has no public switch for its scheduler

from __future__ import annotations

import contextlib
import logging
from bisect import bisect_left
from typing import TYPE_CHECKING, Any

import trio
from trio._core import _run

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Times in recordings are rounded to this.
ROUNDED_S = 1e-6
# The agent computes for less than this between two things that can be seen.
COMPUTED_S = 0.01


class VirtualClock(trio.abc.Clock):
    """A clock that stands still while a task can run, and else jumps.

    It jumps to the next deadline, or past it, to the next of `instants`: the moments at
    which the recorded agent was awake. So a timer that was late then is as late now,
    and a stall comes again. Only for runs in which nothing waits for threads or I/O.
    """

    def __init__(self, start: float, instants: Sequence[float] = ()) -> None:
        self._now = start
        self._instants = instants

    def pass_until(self, time: float) -> None:
        """It is `time` now, if it was a little earlier: something took a while.

        Or much earlier, if nothing happened in between: the whole process stalled.
        """
        if time > self._now:
            index = bisect_left(self._instants, self._now + ROUNDED_S)
            following = self._instants[index : index + 1]
            if time <= max([self._now + COMPUTED_S, *following]) + ROUNDED_S:
                self._now = time

    def next_within(self, seconds: float) -> None:
        """It is the next instant, if that is so near."""
        index = bisect_left(self._instants, self._now + ROUNDED_S)
        for instant in self._instants[index : index + 1]:
            if instant <= self._now + seconds:
                self._now = instant

    def start_clock(self) -> None:
        """It has been started with the time at which it stands."""

    def current_time(self) -> float:
        """Seconds; what they count from is the caller's business."""
        return self._now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Trio asks when no task can run: jump there, so that there is no wait."""
        if self._now < deadline < float("inf"):
            index = bisect_left(self._instants, deadline - ROUNDED_S)
            self._now = max([deadline, *self._instants[index : index + 1]])
        return deadline - self._now


class Laps(trio.abc.Instrument):
    """Lets the clock pass at each round of Trio's loop, by `seconds` at most.

    A round takes time. How much is not recorded, and what came within that time may
    have come before or after.
    """

    def __init__(self, clock: VirtualClock, seconds: float) -> None:
        self._clock = clock
        self._seconds = seconds

    def after_io_wait(self, timeout: float) -> None:  # noqa: ARG002 - Trio's signature
        """A round begins; what is due now comes next."""
        self._clock.next_within(self._seconds)


@contextlib.contextmanager
def unheard() -> Iterator[None]:
    """What a replayed agent warns of was logged when it happened: not again."""
    log = logging.getLogger("trioagent.agent")
    was, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = was


@contextlib.contextmanager
def scheduled_by(seed: int) -> Iterator[None]:
    """Let `seed` alone decide in which order Trio runs tasks that are ready.

    Trio has no public switch; this is what its own plugin for Hypothesis uses.
    """
    trio_run: Any = _run
    was, state = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()
    trio_run._ALLOW_DETERMINISTIC_SCHEDULING = True
    trio_run._r.seed(seed)
    try:
        yield
    finally:
        trio_run._ALLOW_DETERMINISTIC_SCHEDULING = was
        trio_run._r.setstate(state)
