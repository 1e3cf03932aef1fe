"""One run of Trio for many inputs: to start one takes longer than most parsers do."""

from __future__ import annotations

import contextlib
import queue
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

import outcome
import trio

if TYPE_CHECKING:
    from types import TracebackType

AsyncRun = Callable[[bytes], Awaitable[object]]


_MOST_STEPS = 1_000
_LAST_STEPS_S = 1.0
_FOR_EVER_S = 60.0
"""The alarm of an input rings before."""


class Guest:
    """A run of Trio whose steps are taken here, while an input is worked on.

    Between inputs nothing of it runs. An alarm ends it; the next input gets another.
    """

    def __init__(self, run: AsyncRun) -> None:
        self._run = run
        self._life: _Life | None = None

    def __enter__(self) -> Guest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def __call__(self, data: bytes) -> object:
        """What comes of the input; raises what it raises."""
        if self._life is None:
            self._life = _Life(self._run)
        try:
            result = self._life.result_of(data)
        except BaseException:
            self._end()
            raise
        if isinstance(result, outcome.Error) and not isinstance(
            result.error, Exception
        ):
            self._end()
        return result.unwrap()

    def _end(self) -> None:
        life, self._life = self._life, None
        if life is not None:
            life.end()


class _Life:
    """One run, from its start to its end."""

    def __init__(self, run: AsyncRun) -> None:
        self._run = run
        self._steps: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._input: bytes | None = None
        self._result: outcome.Outcome[Any] | None = None
        self._token: trio.lowlevel.TrioToken | None = None
        self._patience = trio.CancelScope()
        self._ends = self._is_over = False
        trio.lowlevel.start_guest_run(
            self._serve,
            run_sync_soon_threadsafe=self._steps.put,
            done_callback=self._over,
        )

    def result_of(self, data: bytes) -> outcome.Outcome[Any]:
        """What comes of the input, if no alarm rings outside of the parser."""
        self._input, self._result = data, None
        while self._result is None:
            self._step(_FOR_EVER_S)
        if self._is_over and isinstance(self._result, outcome.Error):
            # Trio was interrupted: it says so, and what by.
            raise self._result.error.__cause__ or self._result.error
        return self._result

    def end(self) -> None:
        """Come to an end, or be left."""
        self._ends = True
        if not self._is_over and self._token is not None:
            self._token.run_sync_soon(self._patience.cancel)
        with contextlib.suppress(queue.Empty):
            for _ in range(_MOST_STEPS):
                if self._is_over:
                    break
                self._step(_LAST_STEPS_S)

    def _step(self, seconds: float) -> None:
        step = self._steps.get(timeout=seconds)
        try:
            step()
        except BaseException:
            self._steps.put(step)  # Nothing comes after it by itself.
            raise

    async def _serve(self) -> None:
        self._token = trio.lowlevel.current_trio_token()
        while not self._ends:
            if self._input is not None:
                data, self._input = self._input, None
                with trio.CancelScope() as self._patience:
                    self._result = await outcome.acapture(self._run, data)
            # Not to wait: it would take a thread to wake up again.
            await trio.lowlevel.cancel_shielded_checkpoint()

    def _over(self, result: outcome.Outcome[Any]) -> None:
        self._is_over, self._result = True, result
