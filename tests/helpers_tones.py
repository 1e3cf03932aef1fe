"""Small models for sherpa-onnx in icefall's formats: they know tones instead of words.

They are so simple that their weights are computed.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from tests.contract.tiny_voice import (
    FLOAT,
    INT64,
    floats,
    integers,
    model,
    node,
    value_info,
)
from trioagent.interfaces import HEARING_RATE_HZ, Pcm

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

GRAPH_INPUT, GRAPH_OUTPUT = 11, 12
TONES_HZ = {"deep": 300, "low": 600, "mid": 1200, "high": 2400, "top": 4800}
SYMBOLS = ("<blk>", *(f"\u2581{name}" for name in TONES_HZ))
TONE_S = 0.24
MEL_BANDS, LOWEST_HZ, HIGHEST_HZ = 80, 20.0, 7600.0
# How far above the average of all a band must be, in the logarithm of its power.
AUDIBLE = 3.0
FRAMES, WINDOW, STEP = 32, 45, 4

ZIPFORMER2 = {
    "model_type": "zipformer2",
    "encoder_dims": "4",
    "query_head_dims": "1",
    "value_head_dims": "1",
    "num_heads": "1",
    "num_encoder_layers": "1",
    "cnn_module_kernels": "3",
    "left_context_len": "2",
    "T": str(WINDOW),
    "decode_chunk_len": str(FRAMES),
}
LSTM = {
    "model_type": "lstm",
    "num_encoder_layers": "1",
    "rnn_hidden_size": "2",
    "d_model": "3",
    "T": str(WINDOW),
    "decode_chunk_len": str(FRAMES),
}
# Shapes of the caches, "N" where the speakers are.
ZIPFORMER2_CACHES: list[list[int | str]] = [
    [2, "N", 1],
    [1, "N", 2, 3],
    [2, "N", 1],
    [2, "N", 1],
    ["N", 4, 1],
    ["N", 4, 1],
    ["N", 128, 3, 19],
]
LSTM_CACHES: list[list[int | str]] = [[1, "N", 3], [1, "N", 2]]


def tones(names: str) -> Pcm:
    """Tones one after the other, as the models below know them."""
    count = round(TONE_S * HEARING_RATE_HZ)
    at = np.arange(count) * (2 * math.pi / HEARING_RATE_HZ)
    heard = [np.sin(at * TONES_HZ[name]) for name in names.split()]
    pcm: Pcm = (np.concatenate(heard) * 10_000).astype(np.int16)
    return pcm


def _mel(hz: float) -> float:
    return 1127.0 * math.log(1.0 + hz / 700.0)


def _ear() -> list[bytes]:
    """From "x" (N, WINDOW, 80) to "heard" (N, FRAMES / STEP, symbols)."""
    lowest, highest = _mel(LOWEST_HZ), _mel(HIGHEST_HZ)
    band_width = (highest - lowest) / (MEL_BANDS + 1)
    weights = np.zeros((MEL_BANDS, len(SYMBOLS)), np.float32)
    for column, hz in enumerate(TONES_HZ.values(), 1):
        weights[:, column] -= 1 / MEL_BANDS
        weights[round((_mel(hz) - lowest) / band_width) - 1, column] += 1
    pooled = np.zeros((FRAMES // STEP, WINDOW), np.float32)
    for row in range(FRAMES // STEP):
        pooled[row, row * STEP : (row + 1) * STEP] = 1 / STEP
    bias = [AUDIBLE, *(0.0 for _ in TONES_HZ)]
    return [
        node("MatMul", "pooled x", "slow"),
        node("MatMul", "slow weights", "above"),
        node("Add", "above bias", "heard"),
        floats("pooled", pooled.ravel().tolist(), [*pooled.shape]),
        floats("weights", weights.ravel().tolist(), [*weights.shape]),
        floats("bias", bias, [len(bias)]),
        value_info(GRAPH_INPUT, "x", FLOAT, ["N", WINDOW, MEL_BANDS]),
    ]


def _carried(caches: list[list[int | str]], *, counts: bool) -> list[bytes]:
    """Caches that are passed on as they are; with `counts`, one of integers more."""
    kinds = [FLOAT] * len(caches) + [INT64] * counts
    shapes = caches + [["N"]] * counts
    parts = []
    for index, (kind, shape) in enumerate(zip(kinds, shapes, strict=True)):
        parts += [
            node("Identity", f"cache_{index}", f"next_{index}"),
            value_info(GRAPH_INPUT, f"cache_{index}", kind, shape),
            value_info(GRAPH_OUTPUT, f"next_{index}", kind, shape),
        ]
    return parts


def _write(path: Path, parts: list[bytes], metadata: Mapping[str, str]) -> None:
    path.write_bytes(model(b"".join(parts), dict(metadata)))


def _write_symbols(folder: Path) -> None:
    lines = [f"{symbol} {index}\n" for index, symbol in enumerate(SYMBOLS)]
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")


def tone_ctc(folder: Path) -> Path:
    """Knows tones; in the format of icefall's zipformer2 with CTC."""
    folder.mkdir(parents=True)
    shape: list[int | str] = ["N", FRAMES // STEP, len(SYMBOLS)]
    parts = [
        *_ear(),
        node("LogSoftmax", "heard", "log_probs", axis=-1),
        value_info(GRAPH_OUTPUT, "log_probs", FLOAT, shape),
        *_carried(ZIPFORMER2_CACHES, counts=True),
    ]
    _write(folder / "ctc-epoch-1-avg-1.int8.onnx", parts, ZIPFORMER2)
    _write_symbols(folder)
    return folder


def tone_transducer(folder: Path, family: str = "zipformer2") -> Path:
    """Knows tones; in the format of one of icefall's transducers."""
    folder.mkdir(parents=True)
    metadata = {"zipformer2": ZIPFORMER2, "lstm": LSTM}[family]
    caches = {"zipformer2": ZIPFORMER2_CACHES, "lstm": LSTM_CACHES}[family]
    symbols = len(SYMBOLS)
    encoder = [
        *_ear(),
        node("Identity", "heard", "encoder_out"),
        value_info(GRAPH_OUTPUT, "encoder_out", FLOAT, ["N", FRAMES // STEP, symbols]),
        *_carried(caches, counts=family == "zipformer2"),
    ]
    # What was said last is not said again: a tone is longer than a frame.
    decoder = [
        node("Gather", "y last", "said", axis=1),
        node("OneHot", "said depth off_on", "decoder_out"),
        integers("last", [1], []),
        integers("depth", [symbols], []),
        floats("off_on", [0.0, 1.0], [2]),
        value_info(GRAPH_INPUT, "y", INT64, ["N", 2]),
        value_info(GRAPH_OUTPUT, "decoder_out", FLOAT, ["N", symbols]),
    ]
    again = np.diag([0.0] + [-100.0] * (symbols - 1))
    joiner = [
        node("MatMul", "decoder_out again", "repeats"),
        node("Add", "encoder_out repeats", "logit"),
        floats("again", again.ravel().tolist(), [symbols, symbols]),
        value_info(GRAPH_INPUT, "encoder_out", FLOAT, ["N", symbols]),
        value_info(GRAPH_INPUT, "decoder_out", FLOAT, ["N", symbols]),
        value_info(GRAPH_OUTPUT, "logit", FLOAT, ["N", symbols]),
    ]
    sizes = {"vocab_size": str(symbols), "context_size": "2"}
    _write(folder / "encoder-epoch-1.onnx", encoder, metadata)
    _write(folder / "decoder-epoch-1.onnx", decoder, sizes)
    _write(folder / "joiner-epoch-1.onnx", joiner, {"joiner_dim": str(symbols)})
    _write_symbols(folder)
    return folder
