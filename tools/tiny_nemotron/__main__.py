"""Trains the tiny recogniser: `python -m tools.tiny_nemotron --out FOLDER`."""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from tools.tiny_nemotron.corpus import load_corpus
from tools.tiny_nemotron.dataset import Studio, load_recogniser, record
from tools.tiny_nemotron.evaluate import SENTENCES, evaluate
from tools.tiny_nemotron.export import CHUNK_MS, export
from tools.tiny_nemotron.model import Transducer
from tools.tiny_nemotron.speech import Espeak
from tools.tiny_nemotron.train import train


def parse_options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.tiny_nemotron",
        description="Train a tiny streaming recogniser from espeak-ng's speech.",
    )
    add = parser.add_argument
    add("--out", type=Path, required=True, help="the model folder to write")
    add(
        "--utterances", type=int, default=24_000, help="clips to train on (%(default)s)"
    )
    add("--minutes", type=float, default=22, help="CPU minutes to train (%(default)s)")
    add("--seed", type=int, default=1, help="of data and weights (%(default)s)")
    add(
        "--chunk-ms",
        type=int,
        choices=(80, 160, 560, 1120),
        default=CHUNK_MS,
        help="audio that the encoder takes at a time (%(default)s)",
    )
    add("--fp16", action="store_true", help="store the weights in half the space")
    add(
        "--sentences",
        type=int,
        default=SENTENCES,
        help="phrases to test each voice with, 0 for no test (%(default)s)",
    )
    return parser.parse_args()


def main() -> None:
    """Make the data, train, export, and test what was exported."""
    options = parse_options()
    # A second thread spins more than it helps in matrices this small.
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    torch.manual_seed(options.seed)
    corpus, espeak = load_corpus(), Espeak()
    words = corpus.vocabulary()
    model = Transducer(len(words))
    with tempfile.TemporaryDirectory() as untrained:
        # sherpa-onnx computes features only for a model: an untrained one will do.
        export(model, words, Path(untrained), fp16=False)
        recogniser = load_recogniser(Path(untrained))
    rng = np.random.default_rng(options.seed)
    utterances = record(Studio(corpus, espeak, recogniser, rng), options.utterances)
    steps = train(model, utterances, options.minutes, options.seed)
    export(*(model, words, options.out), fp16=options.fp16, chunk_ms=options.chunk_ms)
    size = sum(path.stat().st_size for path in options.out.iterdir())
    print(f"wrote {options.out}: {size / 1e6:.2f} MB after {steps} steps", flush=True)
    if options.sentences:
        evaluate(options.out, espeak, options.sentences)
    print(f"{time.process_time() / 60:.1f} minutes of CPU in all", flush=True)


if __name__ == "__main__":
    main()
