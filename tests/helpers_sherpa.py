"""Small models for sherpa-onnx in NeMo's formats, made of the tiny Nemotron.

Exports with other chunks or of many languages differ in their inputs and metadata only,
and CTC in its last layer. `helpers_tones` has icefall's formats.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np

from tests.contract.tiny_voice import (
    FLOAT,
    INT64,
    block,
    floats,
    integers,
    node,
    number,
    value_info,
)
from tests.helpers_speech import TINY_MODEL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CTC_HEAD = TINY_MODEL.parent / "tiny-nemotron-ctc-head.npy"
MODEL_GRAPH, MODEL_METADATA = 7, 14
GRAPH_NODE, GRAPH_INPUT, GRAPH_OUTPUT = 1, 11, 12
CONTEXT_FRAMES, RECEPTIVE_FIELD, SUBSAMPLING = 9, 15, 8
BANDS, WIDTH, WORDS = 128, 224, 206
# What the encoder says of a frame, before it is turned for the transducer.
ENCODED = "/norm_out/LayerNormalization_output_0"

LANGUAGES = {"en-US": 0, "de-DE": 1, "auto": 2}


def fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """The number and content of each field; all with a length or a varint."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        value, end = _varint(message, at)
        if key & 7 == 2:
            yield key >> 3, message[end : end + value]
            at = end + value
        else:
            yield key >> 3, number(0, value)[1:]
            at = end


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at


class Edited:
    """The tiny Nemotron's encoder, taken apart."""

    def __init__(self) -> None:
        parts: dict[int, list[bytes]] = {}
        for key, content in fields((TINY_MODEL / "encoder.onnx").read_bytes()):
            parts.setdefault(key, []).append(content)
        entries = [dict(fields(entry)) for entry in parts[MODEL_METADATA]]
        self.metadata = {e[1].decode(): e.get(2, b"").decode() for e in entries}
        graph = list(fields(parts[MODEL_GRAPH][0]))
        self.inputs = [content for key, content in graph if key == GRAPH_INPUT]
        self.outputs = [content for key, content in graph if key == GRAPH_OUTPUT]
        self.first: list[bytes] = []
        self.rest = [
            block(key, content)
            for key, content in graph
            if key not in (GRAPH_INPUT, GRAPH_OUTPUT)
        ]
        self.opset = parts[8][0]

    def set_chunk(self, chunk_ms: int) -> None:
        """Have it take so much audio at a time."""
        shift = chunk_ms // 10
        window = shift + CONTEXT_FRAMES
        encoded = (window - RECEPTIVE_FIELD) // SUBSAMPLING + 1
        self.inputs[0] = _port("audio_signal", FLOAT, ["batch", BANDS, window])
        self.outputs[0] = _port("outputs", FLOAT, ["batch", WIDTH, encoded])
        self.metadata |= {
            "window_size": str(window),
            "chunk_shift": str(shift),
            "chunk_size_ms": str(chunk_ms),
        }

    def write(self, path: Path) -> None:
        graph = b"".join(
            [
                *self.first,
                *self.rest,
                *(block(GRAPH_INPUT, one) for one in self.inputs),
                *(block(GRAPH_OUTPUT, one) for one in self.outputs),
            ]
        )
        entries = [
            block(MODEL_METADATA, block(1, key) + block(2, value))
            for key, value in self.metadata.items()
        ]
        opset = block(8, self.opset)
        path.write_bytes(
            number(1, 8) + opset + block(MODEL_GRAPH, graph) + b"".join(entries)
        )


def _port(name: str, kind: int, shape: list[int | str]) -> bytes:
    ((_, content),) = fields(value_info(GRAPH_INPUT, name, kind, shape))
    return content


def tiny_nemotron(folder: Path, chunk_ms: int = 160) -> Path:
    """The tiny Nemotron, exported for another chunk."""
    shutil.copytree(TINY_MODEL, folder)
    encoder = Edited()
    encoder.set_chunk(chunk_ms)
    encoder.write(folder / "encoder.onnx")
    return folder


def tiny_multilingual(folder: Path, **metadata: str) -> Path:
    """The tiny Nemotron as one of many languages: told "de-DE", it is deaf."""
    shutil.copytree(TINY_MODEL, folder)
    encoder = Edited()
    encoder.inputs[0] = _port("heard", FLOAT, ["batch", BANDS, 25])
    encoder.inputs.append(_port("prompt_index", INT64, ["batch"]))
    encoder.first = [
        node("Gather", "gains prompt_index", "gain"),
        node("Reshape", "gain one_each", "gains_each"),
        node("Mul", "heard gains_each", "audio_signal"),
    ]
    gains = [0.0 if name == "de-DE" else 1.0 for name in LANGUAGES]
    encoder.rest += [
        floats("gains", gains, [len(gains)]),
        integers("one_each", [-1, 1, 1], [3]),
    ]
    listed = ", ".join(f'"{name}": {index}' for name, index in LANGUAGES.items())
    encoder.metadata |= {"prompt_dictionary": f"{{{listed}}}", **metadata}
    encoder.write(folder / "encoder.onnx")
    return folder


def tiny_ctc(folder: Path) -> Path:
    """The tiny Nemotron's encoder with a CTC head, in NeMo's format."""
    folder.mkdir(parents=True)
    head = np.load(CTC_HEAD).astype(np.float32)
    whole = Edited()
    whole.rest += [
        node("MatMul", f"{ENCODED} head", "heard"),
        node("Add", "heard bias", "scores"),
        node("LogSoftmax", "scores", "logprobs", axis=-1),
        floats("head", head[:-1].ravel().tolist(), [WIDTH, WORDS + 1]),
        floats("bias", head[-1].tolist(), [WORDS + 1]),
    ]
    whole.outputs[0] = _port("logprobs", FLOAT, ["batch", 2, WORDS + 1])
    whole.write(folder / "model.onnx")
    shutil.copy(TINY_MODEL / "tokens.txt", folder)
    return folder
