"""Word error rates of a model folder, through sherpa-onnx and as the agent feeds it.

python -m tools.tiny_nemotron.evaluate FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np

from tools.tiny_nemotron.augment import as_recorded
from tools.tiny_nemotron.corpus import load_corpus
from tools.tiny_nemotron.dataset import load_recogniser
from tools.tiny_nemotron.speech import SAMPLE_RATE_HZ, Espeak, Voice

if TYPE_CHECKING:
    from collections.abc import Sequence

    import sherpa_onnx
    from numpy.typing import NDArray

    Spoken = tuple[str, NDArray[np.float32]]

FEED_SAMPLES = SAMPLE_RATE_HZ // 50
LEFT_PAD_S = 0.3
RIGHT_PAD_S = 0.9
# The last three are never trained on.
VOICES = ("en-us", "gmw/en", "en-us+f3", "gmw/en+f5", "en-us+m6", "en-us+grandpa")
COLUMNS = ("phrases", "no left pad", "in noise", "loose words")
SENTENCES = 150
SEED = 991


@attrs.frozen
class Score:
    """How much of a set of sentences was understood."""

    words: int = 0
    errors: int = 0
    sentences: int = 0
    exact: int = 0

    @property
    def word_error_rate(self) -> float:
        """Wrong, missing and added words per spoken word."""
        return self.errors / max(1, self.words)

    def __add__(self, other: Score) -> Score:
        """Return the score of both sets together."""
        return Score(
            self.words + other.words,
            self.errors + other.errors,
            self.sentences + other.sentences,
            self.exact + other.exact,
        )


def edit_distance(spoken: Sequence[str], heard: Sequence[str]) -> int:
    """Return the fewest insertions, deletions and substitutions (Levenshtein)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(spoken, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            cheapest = min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
            diagonal, row[j] = row[j], cheapest
    return row[-1]


def transcribe(
    recogniser: sherpa_onnx.OnlineRecognizer,
    speech: NDArray[np.float32],
    left_pad_s: float = LEFT_PAD_S,
) -> str:
    """Feed speech in frames of 20 ms between two silences, and return the words."""
    stream = recogniser.create_stream()
    audio = np.pad(
        speech,
        (int(SAMPLE_RATE_HZ * left_pad_s), int(SAMPLE_RATE_HZ * RIGHT_PAD_S)),
    )
    for start in range(0, len(audio), FEED_SAMPLES):
        stream.accept_waveform(SAMPLE_RATE_HZ, audio[start : start + FEED_SAMPLES])
        while recogniser.is_ready(stream):
            recogniser.decode_stream(stream)
    text: str = recogniser.get_result(stream)
    return text


def score(
    recogniser: sherpa_onnx.OnlineRecognizer,
    spoken: Sequence[Spoken],
    left_pad_s: float = LEFT_PAD_S,
) -> Score:
    """Transcribe sentences and count the errors."""
    total = Score()
    for text, speech in spoken:
        words = text.split()
        heard = transcribe(recogniser, speech, left_pad_s).split()
        errors = edit_distance(words, heard)
        total += Score(len(words), errors, 1, int(errors == 0))
    return total


def evaluate(folder: Path, espeak: Espeak, sentences: int = SENTENCES) -> None:
    """Print a table of error rates: one line for each voice, one for all of them."""
    recogniser = load_recogniser(folder)
    corpus, rng = load_corpus(), np.random.default_rng(SEED)
    phrases = [corpus.phrase(rng) for _ in range(sentences)]
    loose = [corpus.words(rng, int(rng.integers(2, 7))) for _ in range(sentences // 2)]
    total = [Score()] * len(COLUMNS)
    print(f"{'word error rate':16}" + "".join(f"{name:>14}" for name in COLUMNS))
    for name in VOICES:
        clean = [(text, espeak.say(text, Voice(name))) for text in phrases]
        noisy = [(text, as_recorded(speech, rng)) for text, speech in clean]
        words = [(text, espeak.say(text, Voice(name))) for text in loose]
        scores = [
            score(recogniser, clean),
            score(recogniser, clean, left_pad_s=0),
            score(recogniser, noisy),
            score(recogniser, words),
        ]
        total = [one + other for one, other in zip(total, scores, strict=True)]
        _report(name, scores)
    _report("all voices", total)
    print(f"{total[0].exact / max(1, total[0].sentences):.0%} of phrases are exact")


def _report(label: str, scores: Sequence[Score]) -> None:
    rates = "".join(f"{one.word_error_rate:14.1%}" for one in scores)
    print(f"{label:16}{rates}", flush=True)


def main() -> None:
    """Evaluate the folder named on the command line."""
    parser = argparse.ArgumentParser(description="Word error rates of a model folder.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sentences", type=int, default=SENTENCES)
    options = parser.parse_args()
    evaluate(options.folder, Espeak(), options.sentences)


if __name__ == "__main__":
    main()
