"""Streaming recognition by sherpa-onnx: NeMo's Nemotron, or icefall's zipformers.

sherpa-onnx releases the interpreter while it works, so it runs in a worker thread, one
at a time: its recognizer may be shared, a stream of it may not.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import attrs
import numpy as np
import trio
from attrs import validators as v

from providers.asr.sherpa_batch import Batcher, Utterance
from providers.asr.sherpa_model import DOWNLOAD_HINT, SherpaModel, examine
from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ, Recognizer
from trioagent.offload import ThreadOffload
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trioagent.interfaces import Offload, Pcm

log = logging.getLogger(__name__)

FULL_SCALE = 32768.0
SAMPLES_PER_MS = HEARING_RATE_HZ // 1000
# A chunk is decoded when the frames after it are there that the encoder looks ahead
# (90 ms) and the last one's window (25 ms); the rest is for the decoder's own delay.
LOOKAHEAD_MS = 150
MIN_RIGHT_PAD_MS = 200


@attrs.frozen(kw_only=True)
class Options:
    """`[asr.sherpa]`."""

    model: str = ""
    """Folder with encoder, decoder and joiner (*.onnx) and tokens.txt; `[asr] model`
    is the same."""
    threads: int = attrs.field(default=1, validator=[v.ge(1), v.le(64)])
    """Threads for the matrices of one chunk."""
    provider: Literal["cpu", "cuda"] = "cpu"
    """Where it computes. "cuda" needs a sherpa-onnx built for it."""
    left_pad_ms: int = attrs.field(default=300, validator=[v.ge(0), v.le(2000)])
    """Silence before each utterance. Without it the first word suffers."""
    right_pad_ms: int = attrs.field(default=0, validator=[v.ge(0), v.le(5000)])
    """Silence after each utterance, for its last word; 0 derives it from the model."""


class Engine:
    """The loaded model, and the silence that goes around each utterance.

    Its methods block: they belong into a worker thread, one at a time.
    """

    def __init__(self, options: Options) -> None:
        import sherpa_onnx  # noqa: PLC0415 - heavy

        folder = Path(options.model).expanduser()
        self.model = examine(folder, prefer_int8=options.provider == "cpu")
        self._recognizer = sherpa_onnx.OnlineRecognizer.from_transducer(
            tokens=str(self.model.tokens),
            encoder=str(self.model.encoder),
            decoder=str(self.model.decoder),
            joiner=str(self.model.joiner),
            num_threads=options.threads,
            sample_rate=HEARING_RATE_HZ,
            decoding_method="greedy_search",
            provider=options.provider,
        )
        self._left_pad = _silence(options.left_pad_ms)
        self.right_pad = _silence(options.right_pad_ms or right_pad_ms(self.model))
        # The first run allocates; the first speaker shall not wait for it.
        stream = self.start()
        self.accept(stream, _silence(1000))
        self.decode([stream])

    def start(self) -> Any:  # noqa: ANN401 - sherpa_onnx has no types
        """Make a stream for one utterance."""
        stream = self._recognizer.create_stream()
        self.accept(stream, self._left_pad)
        return stream

    def accept(self, stream: Any, pcm: Pcm) -> None:  # noqa: ANN401
        """Put audio behind what the stream has."""
        samples = pcm.astype(np.float32) / np.float32(FULL_SCALE)
        stream.accept_waveform(HEARING_RATE_HZ, samples)

    def decode(self, streams: list[Any]) -> None:
        """Decode what is ready of the streams, each of which is there once."""
        # To decode a stream that is not ready ends the process.
        while ready := [s for s in streams if self._recognizer.is_ready(s)]:
            _end_if_abandoned()
            self._decode_ready(ready)

    def text(self, stream: Any) -> str:  # noqa: ANN401
        """Return the hypothesis so far."""
        return str(self._recognizer.get_result(stream)).strip()

    def _decode_ready(self, streams: list[Any]) -> None:
        self._recognizer.decode_streams(streams)


def _end_if_abandoned() -> None:
    """Raise Cancelled in a worker thread whose caller has gone."""
    # RuntimeError: this is no worker thread of Trio's, nobody can have gone.
    with contextlib.suppress(RuntimeError):
        trio.from_thread.check_cancelled()


def _silence(length_ms: int) -> Pcm:
    return np.zeros(length_ms * SAMPLES_PER_MS, dtype=np.int16)


def right_pad_ms(model: SherpaModel) -> int:
    """How much silence pushes the end of an utterance through the model."""
    return max(MIN_RIGHT_PAD_MS, model.chunk_ms + LOOKAHEAD_MS)


class SherpaStream:
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
            ProviderError: onnxruntime failed.
        """
        return await self._batcher.decode(self._open(), pcm)

    async def finish(self) -> str:
        """Return the final transcript. Cancelling and errors: as `feed`."""
        utterance = self._open()
        if utterance.stream is None:
            await trio.lowlevel.checkpoint()
            text = ""
        else:
            # Silence pushes the last chunk through; `input_finished` leaves it there.
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


class SherpaRecognizer:
    """One model that serves all speakers, those who speak at once in one batch."""

    def __init__(self, engine: Engine, offload: Offload) -> None:
        self._batcher = Batcher(engine, offload)
        self._right_pad = engine.right_pad

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[SherpaStream]:
        """Open a stream for one utterance."""
        stream = SherpaStream(self._batcher, self._right_pad)
        try:
            yield stream
        finally:
            stream.close()


def unavailable(options: Options) -> str | None:
    """Why sherpa-onnx cannot be used with these options, or None."""
    if importlib.util.find_spec("sherpa_onnx") is None:
        return "sherpa-onnx is not installed"
    if not options.model:
        return "no model is configured"
    return None


@asynccontextmanager
async def open_sherpa(options: Options) -> AsyncGenerator[Recognizer]:
    """Load the model in a thread; leaving waits for the thread that is still at work.

    Raises:
        ProviderUnavailable: not installed, no model, or a model that does not fit.
    """
    if (reason := unavailable(options)) is not None:
        hint = f"{DOWNLOAD_HINT} Then set `model` in [asr] to its folder."
        raise ProviderUnavailable(f"sherpa: {reason}", hint=hint)
    engine = await _load(options)
    offload = ThreadOffload()
    try:
        yield SherpaRecognizer(engine, offload)
    finally:
        # A thread that decodes one last chunk must not meet a dying interpreter.
        with trio.move_on_after(2, shield=True):
            await offload.drain()


async def _load(options: Options) -> Engine:
    began = trio.current_time()
    try:
        # A large model takes seconds; who leaves meanwhile does not wait for it.
        engine = await trio.to_thread.run_sync(Engine, options, abandon_on_cancel=True)
    except ProviderUnavailable:
        raise
    except Exception as error:  # onnxruntime's errors arrive as various classes
        message = f"sherpa: the model in {options.model} cannot be loaded: {error}"
        raise ProviderUnavailable(message, hint=DOWNLOAD_HINT) from error
    model = engine.model
    took = trio.current_time() - began
    name = f"{model.encoder.parent}: {model.family}, chunks of {model.chunk_ms} ms"
    log.info("sherpa: loaded %s, in %.1f s", name, took)
    return engine


PROVIDER: Provider[Options, Recognizer] = Provider(
    options=Options, open=open_sherpa, unavailable=unavailable
)
