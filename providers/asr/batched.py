"""A recognizer of a model that decodes chunks, in one worker thread for all speakers.

What the models of torch's world share: `nemotron-hf` and `nemo` bring a `Decoder`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import numpy as np
import trio

from providers.asr.sherpa_batch import Batcher, Decoder, Utterance
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.offload import ThreadOffload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from trioagent.interfaces import Offload, Pcm

_DRAIN_S = 2.0


class ChunkDecoder(Decoder, Protocol):
    """A model that is loaded."""

    @property
    def right_pad_samples(self) -> int:
        """How much silence pushes the end of an utterance through it."""
        ...


class BatchedStream:
    """One utterance of one speaker."""

    def __init__(self, batcher: Batcher, right_pad: Pcm) -> None:
        self._batcher = batcher
        self._right_pad = right_pad
        self._utterance: Utterance | None = Utterance()

    async def feed(self, pcm: Pcm) -> str:
        """Take audio of any length; return the hypothesis so far, all of it.

        If cancelled, the worker thread stops within one chunk of the model; what it
        has not taken is dropped.

        Raises:
            ProviderError: the model failed.
        """
        return await self._batcher.decode(self._open(), pcm)

    async def finish(self) -> str:
        """Return the final transcript. Cancelling and errors: as `feed`."""
        utterance = self._open()
        if utterance.stream is None:
            await trio.lowlevel.checkpoint()
            text = ""
        else:
            text = await self._batcher.decode(utterance, self._right_pad)
        self.close()
        return text

    def close(self) -> None:
        """Let go of the stream. A thread that still decodes it frees it."""
        self._utterance = None

    def _open(self) -> Utterance:
        if self._utterance is None:
            raise RuntimeError("this utterance is finished")
        return self._utterance


class BatchedRecognizer:
    """One model that serves all speakers."""

    def __init__(self, decoder: ChunkDecoder, offload: Offload, provider: str) -> None:
        self._batcher = Batcher(decoder, offload, provider)
        self._right_pad = np.zeros(decoder.right_pad_samples, np.int16)

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[BatchedStream]:
        """Open a stream for one utterance."""
        stream = BatchedStream(self._batcher, self._right_pad)
        try:
            yield stream
        finally:
            stream.close()


@asynccontextmanager
async def open_batched(
    load: Callable[[], ChunkDecoder], provider: str
) -> AsyncIterator[BatchedRecognizer]:
    """Load the model in a thread; leaving waits for the thread that is still at work.

    Raises:
        ProviderUnavailable: the model cannot be loaded.
    """
    try:
        # A large model takes minutes; who leaves meanwhile does not wait for it.
        decoder = await trio.to_thread.run_sync(load, abandon_on_cancel=True)
    except ProviderError:
        raise
    except Exception as error:  # all that torch, its hub and its models may raise
        raise ProviderUnavailable(
            f"{provider}: the model cannot be loaded: {error_text(error)}",
            hint=f"check model, device and dtype in [asr.{provider}]",
        ) from error
    offload = ThreadOffload()
    try:
        yield BatchedRecognizer(decoder, offload, provider)
    finally:
        # A thread that decodes one last chunk must not meet a dying interpreter.
        with trio.move_on_after(_DRAIN_S, shield=True):
            await offload.drain()


def error_text(error: BaseException) -> str:
    """The first line of what a library says; its class if it says nothing."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether torch, or the machine, has no memory left."""
    names = [kind.__name__ for kind in type(error).__mro__]
    text = str(error)
    return (
        isinstance(error, MemoryError)
        or "OutOfMemoryError" in names
        or "not enough memory" in text
        or "CUDA out of memory" in text
    )
