"""The loaded model behind `sherpa`: opened as its kind demands, and fed with care."""

from __future__ import annotations

import contextlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import trio

from providers.asr.sherpa_device import choose_device
from providers.asr.sherpa_hotwords import hotword_arguments
from providers.asr.sherpa_metadata import normalized_language
from providers.asr.sherpa_model import SherpaModel, examine
from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from providers.asr.sherpa_options import Options
    from trioagent.interfaces import Pcm

FULL_SCALE = 32768.0
SAMPLES_PER_MS = HEARING_RATE_HZ // 1000
# Beyond the model's window: the last frame's own window (25 ms), and the decoder's
# delay.
BEYOND_WINDOW_MS = 60
MIN_RIGHT_PAD_MS = 200
# icefall's models speak later than NeMo's; its own programs pad so much.
MIN_RIGHT_PAD_ICEFALL_MS = 660
LISTED_LANGUAGES = 60
# How exactly the pace is measured: Opus' shortest packets (40 samples) are so many.
PACE_SAMPLES = 8
# Two chunks are shorter than that.
MAX_PACE_SAMPLES = 10 * HEARING_RATE_HZ


@attrs.frozen
class Pace:
    """A model decodes whole chunks: what is new after so many samples, and `step` more.

    The first samples of an utterance are always new; without a `step`, all are.
    """

    first: int = 0
    step: int = 0

    def due_after(self, samples: int) -> int:
        """Return with how many samples it can decode more than with so many."""
        if samples < self.first or not self.step:
            return self.first
        return self.first + ((samples - self.first) // self.step + 1) * self.step


class Engine:
    """The loaded model, and the silence that goes around each utterance.

    Its methods block: they belong into a worker thread, one at a time.
    """

    def __init__(self, options: Options) -> None:
        """Load the model.

        Raises:
            ProviderUnavailable: it cannot be used as the options say.
            RuntimeError: onnxruntime cannot load it.
        """
        self.device = choose_device(options.device)
        folder = Path(options.model).expanduser()
        self.model = examine(folder, prefer_int8=self.device == "cpu")
        self._language = checked_language(self.model, options.language)
        self._recognizer = self._load(options)
        self._left_pad = _silence(options.left_pad_ms)
        self.right_pad = _silence(options.right_pad_ms or right_pad_ms(self.model))
        # The first run allocates; the first speaker shall not wait for it.
        stream = self.start()
        self.accept(stream, _silence(1000 + right_pad_ms(self.model)))
        self.decode([stream])
        self.pace = self._measured_pace()

    def _measured_pace(self) -> Pace:
        """Ask the model itself: each kind has windows of its own."""
        stream, piece = self.start(), _silence_of(PACE_SAMPLES)
        self.decode([stream])
        ready_at: list[int] = []
        for samples in range(PACE_SAMPLES, MAX_PACE_SAMPLES, PACE_SAMPLES):
            self.accept(stream, piece)
            if self._recognizer.is_ready(stream):
                self.decode([stream])
                ready_at.append(samples)
            if len(ready_at) > 1:
                return Pace(ready_at[0], ready_at[1] - ready_at[0])
        return Pace()

    def _load(self, options: Options) -> Any:  # noqa: ANN401 - sherpa_onnx has no types
        import sherpa_onnx  # noqa: PLC0415 - heavy

        model = self.model
        arguments: dict[str, Any] = {
            **{name: str(path) for name, path in model.files.items()},
            "num_threads": options.threads,
            "sample_rate": HEARING_RATE_HZ,
            # Only of some kinds it looks at the model for this.
            "feature_dim": model.geometry.features,
            "decoding_method": "greedy_search",
            "provider": self.device,
        }
        load = getattr(sherpa_onnx.OnlineRecognizer, f"from_{model.loader}")
        if not options.hotwords:
            return load(**arguments)
        with tempfile.TemporaryDirectory(prefix="trioagent-sherpa-") as scratch:
            score = options.hotwords_score
            more = hotword_arguments(model, options.hotwords, score, Path(scratch))
            return load(**{**arguments, **more})

    def start(self) -> Any:  # noqa: ANN401 - sherpa_onnx has no types
        """Make a stream for one utterance."""
        stream = self._recognizer.create_stream()
        if self._language:
            stream.set_option("language", self._language)
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
        # sherpa-onnx 2.0 never frees a text that `get_result` gave: it forgets one
        # reference to it. What it says in JSON is the same text, and is freed.
        try:
            result = json.loads(self._result(stream), strict=False)
        except ValueError:  # a probability that is no number makes it no JSON
            return str(self._recognizer.get_result(stream)).strip()
        return str(result["text"]).strip()

    def _result(self, stream: Any) -> str:  # noqa: ANN401
        try:
            return str(self._recognizer.get_result_as_json_string(stream))
        except UnicodeDecodeError as error:
            # A character of several tokens is whole in the text only.
            return error.object.decode(errors="ignore")

    def _decode_ready(self, streams: list[Any]) -> None:
        self._recognizer.decode_streams(streams)


def _end_if_abandoned() -> None:
    """Raise Cancelled in a worker thread whose caller has gone."""
    # RuntimeError: this is no worker thread of Trio's, nobody can have gone.
    with contextlib.suppress(RuntimeError):
        trio.from_thread.check_cancelled()


def _silence(length_ms: int) -> Pcm:
    return _silence_of(length_ms * SAMPLES_PER_MS)


def _silence_of(samples: int) -> Pcm:
    return np.zeros(samples, dtype=np.int16)


def right_pad_ms(model: SherpaModel) -> int:
    """How much silence pushes the end of an utterance through the model."""
    of_nemo = model.family in ("nemo", "nemo-ctc")
    least = MIN_RIGHT_PAD_MS if of_nemo else MIN_RIGHT_PAD_ICEFALL_MS
    return max(least, model.geometry.window_ms + BEYOND_WINDOW_MS)


def checked_language(model: SherpaModel, language: str) -> str:
    """Return the language if the model knows it; sherpa-onnx would only log it.

    Raises:
        ProviderUnavailable: it does not; says which it knows.
    """
    wanted, known = normalized_language(language), model.geometry.languages
    if not wanted or wanted in known:
        return language
    message = f'sherpa: {model.folder} knows no language "{language}"'
    if not known:
        hint = "It is a model of one language: leave `language` in [asr.sherpa] empty."
        raise ProviderUnavailable(message, hint=hint)
    names = sorted(known)[:LISTED_LANGUAGES]
    hint = f"Give one of {', '.join(names)}, or none: then it finds out by itself."
    raise ProviderUnavailable(message, hint=hint)
