"""Trains a CTC head on a finished model: `python -m tools.tiny_nemotron.ctc FOLDER`.

The encoder stays as it is, so this takes a minute or two: one linear layer, from what
the encoder says of each frame to words and blank. `OUT` gets a matrix (D + 1, V + 1) of
float16, the last row the bias, from which tests make a CTC model of the same weights.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor
from torch.nn import functional

from tools.tiny_nemotron.corpus import load_corpus
from tools.tiny_nemotron.dataset import Studio, Utterance, load_recogniser, record
from tools.tiny_nemotron.model import FEATURES
from tools.tiny_nemotron.speech import Espeak

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Encoded = tuple[NDArray[np.float32], tuple[int, ...]]

BATCH = 64
RATE = 3e-3
DROPOUT = 0.1


def load_encoder(folder: Path) -> onnxruntime.InferenceSession:
    """Open the encoder so that it takes a whole clip as one window."""
    model = onnx.load(folder / "encoder.onnx")
    model.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "frames"
    model.graph.output[0].type.tensor_type.shape.dim[2].dim_param = "encoded"
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options)


def encode(
    encoder: onnxruntime.InferenceSession, utterance: Utterance
) -> NDArray[np.float32]:
    """Return what the encoder says of a clip, (T', D)."""
    frames = utterance.frames.astype(np.float32).T[None]
    if frames.shape[1] != FEATURES:
        raise ValueError(f"{frames.shape[1]} mel bands, not {FEATURES}")
    inputs = {one.name: one for one in encoder.get_inputs()}
    layers, width = inputs["cache_last_time"].shape[1:3]
    given = {
        "audio_signal": frames,
        "length": np.array([frames.shape[2]]),
        "cache_last_channel": np.zeros((1, 1, 1, 1), np.float32),
        "cache_last_time": np.zeros((1, layers, width, 1), np.float32),
        "cache_last_channel_len": np.array([0]),
    }
    encoded: NDArray[np.float32] = encoder.run(["outputs"], given)[0][0].T
    return encoded


def collate(clips: Sequence[Encoded]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return frames (B, T', D), tokens of all clips in a row, and both's lengths."""
    frames = [torch.from_numpy(frames) for frames, _ in clips]
    tokens = [token for _, tokens in clips for token in tokens]
    return (
        torch.nn.utils.rnn.pad_sequence(frames, batch_first=True),
        torch.tensor(tokens, dtype=torch.long),
        torch.tensor([len(one) for one in frames]),
        torch.tensor([len(tokens) for _, tokens in clips]),
    )


def train(clips: list[Encoded], words: int, minutes: float) -> torch.nn.Linear:
    """Train the layer for `minutes` of this process's CPU time."""
    head = torch.nn.Linear(clips[0][0].shape[1], words + 1)
    optimiser = torch.optim.AdamW(head.parameters(), RATE, weight_decay=1e-2)
    rng, started_s, losses = np.random.default_rng(0), time.process_time(), []
    while (done := (time.process_time() - started_s) / (60 * minutes)) < 1:
        chosen = [clips[index] for index in rng.integers(len(clips), size=BATCH)]
        frames, tokens, lengths, counts = collate(chosen)
        scores = head(functional.dropout(frames, DROPOUT)).log_softmax(-1)
        loss = functional.ctc_loss(
            *(scores.transpose(0, 1), tokens, lengths, counts),
            blank=words,
            zero_infinity=True,
        )
        optimiser.param_groups[0]["lr"] = RATE * max(0.02, 1 - done)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
        if len(losses) % 200 == 0:
            print(f"{done:4.0%} loss {np.mean(losses[-200:]):.3f}", flush=True)
    return head


def main() -> None:
    """Make the data, train and write the matrix."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.tiny_nemotron.ctc",
        description="Train a CTC head on the encoder of a model folder.",
    )
    parser.add_argument("folder", type=Path, help="the model with the encoder")
    parser.add_argument("--out", type=Path, required=True, help="the .npy to write")
    parser.add_argument("--utterances", type=int, default=4000)
    parser.add_argument("--minutes", type=float, default=3, help="of CPU time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    corpus, rng = load_corpus(), np.random.default_rng(0)
    studio = Studio(corpus, Espeak(), load_recogniser(options.folder), rng)
    encoder = load_encoder(options.folder)
    clips = [
        (encode(encoder, one), one.tokens) for one in record(studio, options.utterances)
    ]
    head = train(clips, len(corpus.vocabulary()), options.minutes)
    matrix = torch.cat([head.weight.T, head.bias[None]]).detach().numpy()
    np.save(options.out, matrix.astype(np.float16))


if __name__ == "__main__":
    main()
