"""Utterances to train on: log-mel frames from sherpa-onnx itself, and token numbers.

The frames come from the recogniser that will run the model, so that training and
running hear the same thing.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs
import numpy as np
import sherpa_onnx
from numpy.typing import NDArray

from tools.tiny_nemotron.augment import as_recorded, silence, with_beginning
from tools.tiny_nemotron.corpus import Corpus
from tools.tiny_nemotron.speech import SAMPLE_RATE_HZ, Espeak, any_voice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FRAME_SAMPLES = 160
LONGEST_FRAMES = 900
# Noise with nobody speaking teaches silence; two sentences with a gap, to go on.
NOISE_ONLY_SHARE = 0.03
TWO_SENTENCES_SHARE = 0.2
PROGRESS_EVERY = 1000


@attrs.frozen(eq=False)
class Utterance:
    """One clip: float16 frames of shape (time, 128), and its words' token numbers."""

    frames: NDArray[np.float16]
    tokens: tuple[int, ...]


def load_recogniser(folder: Path) -> sherpa_onnx.OnlineRecognizer:
    """Open the model in `folder`, as the agent does."""
    return sherpa_onnx.OnlineRecognizer.from_transducer(
        tokens=str(folder / "tokens.txt"),
        encoder=str(folder / "encoder.onnx"),
        decoder=str(folder / "decoder.onnx"),
        joiner=str(folder / "joiner.onnx"),
        num_threads=1,
    )


def log_mel(
    recogniser: sherpa_onnx.OnlineRecognizer, audio: NDArray[np.float32]
) -> NDArray[np.float16]:
    """Return the frames that the recogniser would show its encoder."""
    stream = recogniser.create_stream()
    stream.accept_waveform(SAMPLE_RATE_HZ, audio)
    stream.input_finished()
    count = (len(audio) + FRAME_SAMPLES // 2) // FRAME_SAMPLES - 1
    frames = np.array(stream.get_frames(0, count), np.float16)
    return frames.reshape(count, -1)


@attrs.frozen(eq=False)
class Studio:
    """Makes utterances; `recogniser` is any model of the format, even an untrained."""

    corpus: Corpus
    espeak: Espeak
    recogniser: sherpa_onnx.OnlineRecognizer
    rng: np.random.Generator

    def clip(self) -> tuple[NDArray[np.float32], str]:
        """Return some speech as a microphone would give it, and its words."""
        rng = self.rng
        if rng.random() < NOISE_ONLY_SHARE:
            return as_recorded(silence(rng, 1, 3) + np.float32(1e-6), rng), ""
        texts = [self.corpus.sentence(rng)]
        zeros, speech = with_beginning(self._speak(texts[0]), rng)
        parts = [speech]
        if rng.random() < TWO_SENTENCES_SHARE:
            texts.append(self.corpus.sentence(rng))
            parts += [silence(rng, 0.3, 1.2), self._speak(texts[1])]
        parts.append(silence(rng, 0.4, 0.9))
        recorded = as_recorded(np.concatenate(parts), rng)
        return np.concatenate([zeros, recorded]), " ".join(texts)

    def _speak(self, text: str) -> NDArray[np.float32]:
        return self.espeak.say(text, any_voice(self.rng))

    def utterances(self, count: int) -> Iterator[Utterance]:
        """Yield `count` utterances, none longer than `LONGEST_FRAMES`."""
        token = {word: index for index, word in enumerate(self.corpus.vocabulary())}
        made = 0
        while made < count:
            audio, text = self.clip()
            frames = log_mel(self.recogniser, audio)
            if len(frames) <= LONGEST_FRAMES:
                made += 1
                yield Utterance(frames, tuple(token[word] for word in text.split()))


def record(studio: Studio, count: int) -> list[Utterance]:
    """Make `count` utterances and report progress: 90 kB of memory each."""
    started_s = time.process_time()
    made: list[Utterance] = []
    for utterance in studio.utterances(count):
        made.append(utterance)
        if len(made) % PROGRESS_EVERY == 0 or len(made) == count:
            spent_s = time.process_time() - started_s
            hours = sum(len(one.frames) for one in made) / 360_000
            print(
                f"data: {len(made)} utterances, {hours:.2f} h, {spent_s:.0f} s of CPU",
                flush=True,
            )
    return made
