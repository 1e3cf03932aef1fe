"""One run of Trio for many inputs: to start one takes longer than most parsers do."""

from __future__ import annotations

import queue
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import outcome
import trio

if TYPE_CHECKING:
    from types import TracebackType

AsyncRun = Callable[[bytes], Awaitable[object]]


class Guest:
    """A run of Trio whose steps are taken here, while an input is worked on.

    Between inputs nothing of it runs. An error that breaks Trio itself, such as an
    alarm in its midst, ends the run; the next input gets another.
    """

    def __init__(self, run: AsyncRun) -> None:
        self._run = run
        self._steps: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._input: bytes | None = None
        self._result: outcome.Outcome[Any] | None = None
        self._lives = False
        self._ends = False

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends = True
        while self._lives:
            self._steps.get()()

    def __call__(self, data: bytes) -> object:
        """What comes of the input; raises what it raises."""
        if not self._lives:
            self._start()
        self._input, self._result = data, None
        while self._result is None:
            self._steps.get()()
        return self._result.unwrap()

    def _start(self) -> None:
        self._steps, self._lives = queue.SimpleQueue(), True
        trio.lowlevel.start_guest_run(
            self._serve,
            run_sync_soon_threadsafe=self._steps.put,
            done_callback=self._over,
        )

    async def _serve(self) -> None:
        while not self._ends:
            if self._input is not None:
                data, self._input = self._input, None
                self._result = await outcome.acapture(self._run, data)
            # Not to wait: it would take a thread to wake up again.
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _over(self, result: outcome.Outcome[Any]) -> None:
        self._lives, self._result = False, result
