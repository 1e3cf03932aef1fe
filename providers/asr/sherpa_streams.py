"""A recognizer of sherpa-onnx in this process: its streams, and how it is loaded.

sherpa-onnx releases the interpreter while it works, so it runs in a worker thread, one
at a time: its recognizer may be shared, a stream of it may not.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
import trio

from providers.asr.sherpa_batch import Batcher, Utterance
from providers.asr.sherpa_engine import Engine, Pace
from providers.asr.sherpa_metadata import DOWNLOAD_HINT
from trioagent.errors import ProviderUnavailable
from trioagent.offload import ThreadOffload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from providers.asr.sherpa_options import Options
    from trioagent.interfaces import Offload, Pcm


class SherpaStream:
    """One utterance of one speaker.

    It keeps audio until the model can decode more with it: a call of the worker thread
    for each packet would cost more than the decoding where many speak.
    """

    def __init__(self, batcher: Batcher, right_pad: Pcm, pace: Pace) -> None:
        self._batcher = batcher
        self._right_pad = right_pad
        self._pace = pace
        self._utterance: Utterance | None = Utterance()
        self._kept: list[Pcm] = []
        self._samples = 0
        self._due = 0
        self._text = ""

    async def feed(self, pcm: Pcm) -> str:
        """Take audio of any length; return the hypothesis so far, all of it.

        If cancelled, the worker thread stops within one chunk of the model; what it
        has not taken is dropped.

        Raises:
            ProviderError: onnxruntime failed.
        """
        utterance = self._open()
        self._kept.append(pcm)
        self._samples += len(pcm)
        if self._samples < self._due:
            await trio.lowlevel.checkpoint()
        else:
            self._due = self._pace.due_after(self._samples)
            self._text = await self._decode(utterance)
        return self._text

    async def finish(self) -> str:
        """Return the final transcript. Cancelling and errors: as `feed`."""
        utterance = self._open()
        if not self._samples:
            await trio.lowlevel.checkpoint()
            text = ""
        else:
            # Silence pushes the last chunk through; `input_finished` leaves it there.
            self._kept.append(self._right_pad)
            text = await self._decode(utterance)
        self.close()
        return text

    async def _decode(self, utterance: Utterance) -> str:
        pcm = np.concatenate(self._kept)
        self._kept.clear()
        return await self._batcher.decode(utterance, pcm)

    def close(self) -> None:
        """Let go of the stream. A thread that still decodes it frees it."""
        self._utterance = None

    def _open(self) -> Utterance:
        if self._utterance is None:
            raise RuntimeError("this utterance is finished")
        return self._utterance


class SherpaRecognizer:
    """One model that serves all speakers, those who speak at once in one batch."""

    def __init__(self, engine: Engine, offload: Offload) -> None:
        self._batcher = Batcher(engine, offload)
        self._right_pad = engine.right_pad
        self._pace = engine.pace
        self.about = f"{engine.model}, on {engine.device}"

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[SherpaStream]:
        """Open a stream for one utterance."""
        stream = SherpaStream(self._batcher, self._right_pad, self._pace)
        try:
            yield stream
        finally:
            stream.close()


@asynccontextmanager
async def open_here(options: Options) -> AsyncGenerator[SherpaRecognizer]:
    """Load the model in a thread; leaving waits for the thread that is still at work.

    Raises:
        ProviderUnavailable: the model does not fit, or not the options to it.
    """
    engine = await _load(options)
    offload = ThreadOffload()
    try:
        yield SherpaRecognizer(engine, offload)
    finally:
        # A thread that decodes one last chunk must not meet a dying interpreter.
        with trio.move_on_after(2, shield=True):
            await offload.drain()


async def _load(options: Options) -> Engine:
    try:
        # A large model takes seconds; who leaves meanwhile does not wait for it.
        return await trio.to_thread.run_sync(Engine, options, abandon_on_cancel=True)
    except ProviderUnavailable:
        raise
    except Exception as error:  # onnxruntime's errors arrive as various classes
        message = f"sherpa: the model in {options.model} cannot be loaded: {error}"
        raise ProviderUnavailable(message, hint=DOWNLOAD_HINT) from error
