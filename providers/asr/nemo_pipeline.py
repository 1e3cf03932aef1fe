"""NeMo 3's streaming pipeline (`nemo.collections.asr.inference`), for our streams.

Each step takes one chunk of exactly the model's size from each stream that has one, all
in one batch. The pipeline keeps a slot for each stream until it gets the stream's last
frame; so a stream that nobody holds any more gets one of silence. Everything blocks.
"""

from __future__ import annotations

import contextlib
import importlib
import itertools
import weakref
from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np
import trio

from providers.asr.batched import error_text, is_out_of_memory
from providers.asr.nemo_config import configuration
from providers.torch_device import chosen_device
from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from providers.asr.nemo import Options
    from trioagent.interfaces import Pcm

FULL_SCALE = 32768.0
TAIL_MS = 200
"""Silence after the last chunk of speech, for the words it has only half emitted."""
_INFERENCE = "nemo.collections.asr.inference"
_MODEL_HINT = (
    "model is a cache-aware streaming transducer: a name on the hub or NGC,"
    " or a .nemo file"
)


class Stream:
    """One utterance: audio that makes no whole chunk yet, and the text so far."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.audio: np.ndarray[Any, np.dtype[np.float32]] = np.zeros(0, np.float32)
        self.settled = ""
        self.partial = ""


class Pipeline:
    """A loaded pipeline."""

    def __init__(self, pipeline: Any, options: Options) -> None:  # noqa: ANN401
        self._torch: Any = importlib.import_module("torch")
        framing = f"{_INFERENCE}.streaming.framing"
        self._frame: Any = importlib.import_module(f"{framing}.request").Frame
        requests: Any = importlib.import_module(f"{framing}.request_options")
        language = options.language or None
        self._options = requests.ASRRequestOptions(language_code=language)
        self._pipeline = pipeline
        self._most = options.streams
        seconds = float(pipeline.chunk_size_in_secs)
        self.chunk_samples = round(seconds * HEARING_RATE_HZ)
        self._numbers = itertools.count()
        self._slots: set[int] = set()
        """Streams that the pipeline knows."""
        self._dropped: deque[int] = deque()
        """Streams that nobody holds; any thread may add some."""

    @property
    def right_pad_samples(self) -> int:
        """How much silence pushes the end of an utterance through the model."""
        return self.chunk_samples + TAIL_MS * HEARING_RATE_HZ // 1000

    def start(self) -> Stream:
        """Make a stream for one utterance."""
        stream = Stream(next(self._numbers))
        weakref.finalize(stream, self._dropped.append, stream.number).atexit = False
        return stream

    def accept(self, stream: Stream, pcm: Pcm) -> None:
        """Put audio behind what the stream has."""
        samples = pcm.astype(np.float32) / np.float32(FULL_SCALE)
        stream.audio = np.concatenate([stream.audio, samples])

    def decode(self, streams: list[Stream]) -> None:
        """Decode all whole chunks of the streams.

        Raises:
            RuntimeError: the pipeline failed, or has no room for so many streams.
        """
        try:
            self._free_slots()
            while ready := [s for s in streams if len(s.audio) >= self.chunk_samples]:
                for start in range(0, len(ready), self._most):
                    _end_if_abandoned()
                    self._step(ready[start : start + self._most])
        except Exception as error:
            if is_out_of_memory(error):
                text = "out of memory: lower streams, or choose another device or dtype"
                raise RuntimeError(text) from error
            if "No free slots" in str(error):
                text = f"more than {self._most} utterances at a time; see streams"
                raise RuntimeError(text) from error
            raise RuntimeError(error_text(error)) from error

    def text(self, stream: Stream) -> str:
        """Return the hypothesis so far."""
        return " ".join(f"{stream.settled} {stream.partial}".split())

    def _step(self, streams: list[Stream]) -> None:
        frames = [self._next_frame(stream) for stream in streams]
        self._slots.update(stream.number for stream in streams)
        with self._torch.inference_mode():
            outputs = self._pipeline.transcribe_step(frames)
        for stream, output in zip(streams, outputs, strict=True):
            # What became final says itself whether a space comes before it.
            stream.settled += output.final_transcript
            stream.partial = output.partial_transcript

    def _next_frame(self, stream: Stream) -> Any:  # noqa: ANN401
        samples = stream.audio[: self.chunk_samples]
        stream.audio = stream.audio[self.chunk_samples :]
        is_first = stream.number not in self._slots
        return self._frame(
            samples=self._torch.from_numpy(samples.copy()),
            stream_id=stream.number,
            is_first=is_first,
            length=self.chunk_samples,
            options=self._options if is_first else None,
        )

    def _free_slots(self) -> None:
        over = []
        while self._dropped:
            number = self._dropped.popleft()
            if number in self._slots:
                self._slots.remove(number)
                over.append(number)
        if not over:
            return
        silence = self._torch.zeros(self.chunk_samples)
        last = [
            self._frame(silence, number, is_last=True, length=self.chunk_samples)
            for number in over
        ]
        with self._torch.inference_mode():
            self._pipeline.transcribe_step(last)


def _end_if_abandoned() -> None:
    """Raise Cancelled in a worker thread whose caller has gone."""
    # RuntimeError: this is no worker thread of Trio's, nobody can have gone.
    with contextlib.suppress(RuntimeError):
        trio.from_thread.check_cancelled()


def load(options: Options) -> Pipeline:
    """Build the pipeline, and decode a second of silence with it.

    Raises:
        ProviderUnavailable: not a model for this, or it does not fit.
    """
    device = chosen_device(options.device)
    torch: Any = importlib.import_module("torch")
    torch.set_num_threads(options.threads)
    try:
        pipeline = Pipeline(_built(options, device), options)
        _warm_up(pipeline)
    except Exception as error:
        # Its wrapper hides torch's own class of error, but not the words.
        if is_out_of_memory(error) or "out of memory" in str(error):
            raise ProviderUnavailable(
                f"nemo: {options.model} does not fit into the memory of {device}",
                hint="lower streams in [asr.nemo], or choose another device or dtype",
            ) from error
        raise ProviderUnavailable(
            f"nemo: {options.model} cannot be loaded: {error_text(error)}",
            hint=_MODEL_HINT,
        ) from error
    return pipeline


def _built(options: Options, device: str) -> Any:  # noqa: ANN401
    try:
        builder: Any = importlib.import_module(f"{_INFERENCE}.factory.pipeline_builder")
    except ImportError as error:
        raise ImportError(
            f"this NeMo has no {_INFERENCE} ({error}): 3.0 does"
        ) from error
    omegaconf: Any = importlib.import_module("omegaconf")
    config = omegaconf.OmegaConf.create(configuration(options, device))
    pipeline = builder.PipelineBuilder.build_pipeline(config)
    pipeline.open_session()
    return pipeline


def _warm_up(pipeline: Pipeline) -> None:
    """The first run allocates; the first speaker shall not wait for it."""
    stream = pipeline.start()
    pipeline.accept(stream, np.zeros(2 * pipeline.chunk_samples, np.int16))
    pipeline.decode([stream])
