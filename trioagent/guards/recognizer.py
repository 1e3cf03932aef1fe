"""A recognizer whose every answer is bounded."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.guards.call import Call
from trioagent.guards.guard import Guard
from trioagent.interfaces import Pcm, Recognizer, RecognizerStream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@attrs.frozen(eq=False)
class GuardedRecognizer:
    """A recognizer that is waited for only so long, and spared while it fails.

    An utterance is one call: its final transcript is the answer.
    """

    recognizer: Recognizer
    guard: Guard

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[RecognizerStream]:
        """As the recognizer's.

        Raises:
            ProviderUnavailable: it failed too often to be asked now.
            ProviderError: it failed, or did not open or close the stream in time.
        """
        guard, wait = self.guard, "opened no stream"
        with guard.call() as call:
            # One scope for all: what the stream opens in it must be closed in it. Only
            # while it opens and closes is there a deadline.
            with trio.CancelScope() as waiting:
                waiting.deadline = trio.current_time() + guard.timeout_s
                async with self.recognizer.stream() as stream:
                    waiting.deadline = math.inf
                    try:
                        yield _GuardedStream(stream, guard, call)
                    finally:
                        wait = "did not close a stream"
                        waiting.deadline = trio.current_time() + guard.timeout_s
            if waiting.cancelled_caught:
                raise guard.no_answer(wait)


@attrs.frozen(eq=False)
class _GuardedStream:
    stream: RecognizerStream
    guard: Guard
    call: Call

    async def feed(self, pcm: Pcm) -> str:
        with trio.move_on_after(self.guard.timeout_s):
            return await self.stream.feed(pcm)
        raise self.guard.no_answer("gave no answer to a piece of audio")

    async def finish(self) -> str:
        with trio.move_on_after(self.guard.timeout_s):
            text = await self.stream.finish()
            self.call.answered()
            return text
        raise self.guard.no_answer("gave no final transcript")
