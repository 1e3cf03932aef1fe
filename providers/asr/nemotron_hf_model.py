"""A streaming Nemotron of transformers, a chunk at a time, for any number of streams.

transformers' own loop, `generate`, takes audio from a blocking generator and serves one
stream at a time. Here, each stream has its caches, and the loop over the transducer's
symbols is ours: it gives the same tokens. Everything blocks; one thread at a time.
"""

from __future__ import annotations

import contextlib
import importlib
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import trio

from providers.asr.batched import error_text, is_out_of_memory
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from providers.asr.nemotron_hf import Options
    from trioagent.interfaces import Pcm

FULL_SCALE = 32768.0
ENCODER_FRAME_MS = 80
TAIL_MS = 200
"""Silence after the last chunk of speech, for the words it has only half emitted."""


@attrs.define(eq=False)
class Stream:
    """One utterance: audio that was not encoded yet, the caches, and the tokens.

    Attributes:
        audio: Begins `n_fft / 2` samples before the next chunk's first frame.
    """

    audio: np.ndarray[Any, np.dtype[np.float32]]
    chunks: int = 0
    attention: Any = None
    convolution: Any = None
    predictor: Any = None
    predicted: Any = None
    tokens: list[int] = attrs.Factory(list)
    text: str = ""


@attrs.frozen
class Sizes:
    """Of a chunk, in samples.

    Attributes:
        margin: Of a spectrum's window, before its centre.
        first: Audio from the start of the utterance for the first chunk.
        chunk: Audio, margin included, for each later chunk.
        first_step: How far the first chunk moves on.
        step: How far each later chunk does.
    """

    margin: int
    first: int
    chunk: int
    first_step: int
    step: int


class Nemotron:
    """A loaded model and its processor."""

    def __init__(self, model: Any, processor: Any, options: Options) -> None:  # noqa: ANN401
        self._torch: Any = importlib.import_module("torch")
        self._model = model
        self._processor = processor
        self._language = {"language": options.language} if options.language else {}
        self._lookahead = options.chunk_ms // ENCODER_FRAME_MS - 1
        self._blank = int(model.config.blank_token_id)
        self._most_symbols = int(model.config.max_symbols_per_step)
        self.sizes = _sizes(processor)

    @property
    def right_pad_samples(self) -> int:
        """How much silence pushes the end of an utterance through the model."""
        return self.sizes.chunk + TAIL_MS * HEARING_RATE_HZ // 1000

    def start(self) -> Stream:
        """Make a stream for one utterance."""
        return Stream(np.zeros(self.sizes.margin, np.float32))

    def accept(self, stream: Stream, pcm: Pcm) -> None:
        """Put audio behind what the stream has."""
        samples = pcm.astype(np.float32) / np.float32(FULL_SCALE)
        stream.audio = np.concatenate([stream.audio, samples])

    def decode(self, streams: list[Stream]) -> None:
        """Decode all whole chunks, a chunk of each stream in turn.

        The streams' caches differ in length, so transformers cannot take them in one
        batch.

        Raises:
            RuntimeError: the model failed.
        """
        try:
            with self._torch.inference_mode():
                while ready := [s for s in streams if self._is_ready(s)]:
                    for stream in ready:
                        _end_if_abandoned()
                        self._step(stream)
        except Exception as error:
            if is_out_of_memory(error):
                text = "out of memory: fewer speakers, or another device or dtype"
                raise RuntimeError(text) from error
            raise RuntimeError(error_text(error)) from error

    def text(self, stream: Stream) -> str:
        """Return the hypothesis so far."""
        return stream.text

    def _is_ready(self, stream: Stream) -> bool:
        sizes = self.sizes
        need = sizes.chunk if stream.chunks else sizes.margin + sizes.first
        return len(stream.audio) >= need

    def _step(self, stream: Stream) -> None:
        known = len(stream.tokens)
        encoded = self._encode(stream)
        for frame in range(encoded.shape[1]):
            self._emit(stream, encoded[:, frame : frame + 1])
        if len(stream.tokens) > known:
            decoded = self._processor.decode(stream.tokens, skip_special_tokens=True)
            stream.text = str(decoded).strip()

    def _encode(self, stream: Stream) -> Any:  # noqa: ANN401 - torch has no types here
        """Take a chunk; return its frames, (1, frames, size)."""
        sizes, is_first = self.sizes, not stream.chunks
        if is_first:
            audio = stream.audio[sizes.margin : sizes.margin + sizes.first]
            frames = self._processor.num_mel_frames_first_audio_chunk
        else:
            audio = stream.audio[: sizes.chunk]
            frames = self._processor.num_mel_frames_per_audio_chunk
        inputs = self._processor(
            audio,
            sampling_rate=HEARING_RATE_HZ,
            is_streaming=True,
            is_first_audio_chunk=is_first,
            return_tensors="pt",
            **self._language,
        )
        prompt = {key: inputs[key] for key in ("prompt_ids",) if key in inputs}
        # A centred spectrum has one frame more than its audio has whole steps.
        features = inputs["input_features"][:, :frames]
        output = self._model.get_audio_features(
            input_features=features.to(self._model.device, self._model.dtype),
            past_key_values=stream.attention,
            padding_cache=stream.convolution,
            num_lookahead_tokens=self._lookahead,
            use_cache=True,
            output_attention_mask=False,
            **prompt,
        )
        stream.attention = output.past_key_values
        stream.convolution = output.padding_cache
        stream.audio = stream.audio[sizes.first_step if is_first else sizes.step :]
        stream.chunks += 1
        return output.pooler_output

    def _emit(self, stream: Stream, frame: Any) -> None:  # noqa: ANN401
        """Add the tokens of one frame: the likeliest, until that is none (blank)."""
        if stream.predicted is None:
            stream.predictor = _predictor_cache(self._model.config)
            self._predict(stream, self._blank)
        for _ in range(self._most_symbols):
            logits = self._model.joint(
                encoder_hidden_states=frame, decoder_hidden_states=stream.predicted
            )
            token = int(logits.argmax(-1).item())
            if token == self._blank:
                return
            stream.tokens.append(token)
            self._predict(stream, token)

    def _predict(self, stream: Stream, token: int) -> None:
        ids = self._torch.tensor([[token]], device=self._model.device)
        stream.predicted = self._model.decoder(ids, cache=stream.predictor)


def _predictor_cache(config: Any) -> Any:  # noqa: ANN401
    base = "transformers.models.nemotron_asr_streaming"
    module: Any = importlib.import_module(f"{base}.generation_nemotron_asr_streaming")
    return module.NemotronAsrStreamingRNNTDecoderCache(config)


def _sizes(processor: Any) -> Sizes:  # noqa: ANN401
    features = processor.feature_extractor
    margin = features.n_fft // 2
    return Sizes(
        margin=margin,
        first=processor.num_samples_first_audio_chunk,
        chunk=processor.num_samples_per_audio_chunk,
        first_step=processor.num_mel_frames_first_audio_chunk * features.hop_length,
        step=processor.num_mel_frames_per_audio_chunk * features.hop_length,
    )


def _end_if_abandoned() -> None:
    """Raise Cancelled in a worker thread whose caller has gone."""
    # RuntimeError: this is no worker thread of Trio's, nobody can have gone.
    with contextlib.suppress(RuntimeError):
        trio.from_thread.check_cancelled()
