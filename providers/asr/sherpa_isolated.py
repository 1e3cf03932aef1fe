"""A recognizer in a process of its own, and the next one when that ends.

The utterances that are under way fail then, a new process is started at once, and the
next utterance has it.
"""

from __future__ import annotations

import itertools
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from providers.asr.sherpa_child import (
    END_TIMEOUT_S,
    WRITE_TIMEOUT_S,
    Child,
    start_child,
)
from providers.asr.sherpa_pipe import FEED, FINISH, NO_UTTERANCE
from trioagent.errors import ProviderError
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from providers.asr.sherpa_options import Options
    from trioagent.interfaces import Pcm

log = logging.getLogger(__name__)

# Audio sent at a time: what a cancelled caller's request may still hold the pipe for.
PIECE_SAMPLES = HEARING_RATE_HZ
# How long an utterance waits for a new process; a big model takes seconds to load.
RESTART_WAIT_S = 20.0
RESTART_DELAYS_S = (0.0, 1.0, 2.0, 5.0, 10.0, 30.0)


class IsolatedStream:
    """One utterance of one speaker; see `SherpaStream`."""

    def __init__(self, recognizer: IsolatedRecognizer, number: int) -> None:
        self._recognizer = recognizer
        self._number = number
        self._child: Child | None = None
        self._finished = False
        # Tasks that share an utterance come one after the other.
        self._turn = trio.Lock()

    async def feed(self, pcm: Pcm) -> str:
        """Take audio of any length; return the hypothesis so far, all of it.

        If cancelled, the process drops what it has not decoded when the stream is left.

        Raises:
            ProviderError: recognition failed, or the process ended.
        """
        self._check_open()
        text = await self._ask(FEED, pcm[:PIECE_SAMPLES].tobytes())
        for start in range(PIECE_SAMPLES, len(pcm), PIECE_SAMPLES):
            piece = pcm[start : start + PIECE_SAMPLES]
            text = await self._ask(FEED, piece.tobytes())
        return text

    async def finish(self) -> str:
        """Return the final transcript. Cancelling and errors: as `feed`."""
        self._check_open()
        if self._child is None:
            await trio.lowlevel.checkpoint()
            text = ""
        else:
            text = await self._ask(FINISH, b"")
        self._finished = True
        return text

    async def close(self) -> None:
        """Let go of the utterance."""
        await trio.lowlevel.checkpoint()
        if self._child is not None and not self._finished:
            await self._child.close(self._number)
        self._finished = True

    async def _ask(self, what: bytes, audio: bytes) -> str:
        async with self._turn:
            if self._child is not None:
                return await self._child.ask(what, self._number, audio)
            self._child = await self._recognizer.child()
            try:
                return await self._child.ask(what, self._number, audio)
            except ProviderError:
                if not self._child.ended:
                    raise
            # It had ended, or ended now: another can be told all that was said so far.
            self._child = await self._recognizer.child()
            return await self._child.ask(what, self._number, audio)

    def _check_open(self) -> None:
        if self._finished:
            raise RuntimeError("this utterance is finished")


class IsolatedRecognizer:
    """A process that serves all speakers, and its successors."""

    def __init__(self, options: Options, child: Child) -> None:
        self._options = options
        self._child = child
        self._replaced = trio.Event()
        self._numbers = itertools.count(NO_UTTERANCE + 1)
        self.about = f"{child.about}, in process {child.pid}"

    @property
    def pid(self) -> int:
        """The number of the process that is used now."""
        return self._child.pid

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[IsolatedStream]:
        """Open a stream for one utterance."""
        stream = IsolatedStream(self, next(self._numbers))
        try:
            yield stream
        finally:
            with trio.move_on_after(WRITE_TIMEOUT_S, shield=True):
                await _close_quietly(stream)

    async def child(self) -> Child:
        """Return the process, waiting for a new one if need be.

        Raises:
            ProviderError: there is none for too long.
        """
        with trio.move_on_after(RESTART_WAIT_S):
            await trio.lowlevel.checkpoint()
            while self._child.ended:
                await self._replaced.wait()
        if self._child.ended:
            raise ProviderError(
                "sherpa: the recognizer's process ended and does not start again",
                hint="The log says why.",
            )
        return self._child

    async def keep_running(self) -> None:
        """Replace the process each time that it ends."""
        while True:
            await self._child.run()
            log.error("%s", self._child.error())
            self._child = await self._start_again()
            log.info("sherpa: started again, in process %d", self.pid)
            self._replaced.set()
            self._replaced = trio.Event()

    async def end(self) -> None:
        """End the process."""
        await self._child.end()

    async def _start_again(self) -> Child:
        delays = itertools.chain(
            RESTART_DELAYS_S, itertools.repeat(RESTART_DELAYS_S[-1])
        )
        for delay_s in delays:
            await trio.sleep(delay_s)
            try:
                return await start_child(self._options)
            except ProviderError as error:
                log.error("%s", error)  # noqa: TRY400 - its place says nothing
        raise AssertionError("there is always another delay")


async def _close_quietly(stream: IsolatedStream) -> None:
    await trio.lowlevel.checkpoint()
    try:
        await stream.close()
    except ProviderError as error:
        log.warning("%s", error.message)


@asynccontextmanager
async def open_isolated(options: Options) -> AsyncGenerator[IsolatedRecognizer]:
    """Start the process; leaving ends it.

    Raises:
        ProviderUnavailable: the model does not fit, or not the options to it.
    """
    recognizer = IsolatedRecognizer(options, await start_child(options))
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recognizer.keep_running, name="sherpa's process")
            yield recognizer
            nursery.cancel_scope.cancel()
    finally:
        with trio.move_on_after(END_TIMEOUT_S, shield=True):
            await recognizer.end()
