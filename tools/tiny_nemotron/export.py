"""Writes a model folder as sherpa-onnx reads it for a streaming NeMo transducer.

sherpa-onnx binds inputs and outputs by their order, and ends the process if one of the
encoder's metadata keys is missing: change nothing here without running the test.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import attrs
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from tools.tiny_nemotron.model import FEATURES, SUBSAMPLING, Transducer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

OPSET = 17
CHUNK_MS = 160
FRAME_MS = 10
# A window is one chunk and nine frames of context before it.
CONTEXT_FRAMES = 9


@attrs.frozen(eq=False)
class Part:
    """One file of the model: the network, example inputs, names in their order."""

    name: str
    network: nn.Module
    inputs: tuple[Tensor, ...]
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    batched: bool = False
    metadata: dict[str, str] = attrs.field(factory=dict)


def export(
    model: Transducer,
    words: Sequence[str],
    folder: Path,
    *,
    fp16: bool,
    chunk_ms: int = CHUNK_MS,
) -> None:
    """Write encoder.onnx, decoder.onnx, joiner.onnx and tokens.txt to `folder`.

    `chunk_ms` is the audio that it takes at a time, a multiple of 80. With `fp16` the
    weights are stored in half the space and widened when loaded; the arithmetic stays
    float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model.eval()
    for part in (_encoder(model, chunk_ms), _decoder(model), _joiner(model)):
        _write(part, folder / f"{part.name}.onnx", fp16=fp16)
    lines = [f"\u2581{word} {index}\n" for index, word in enumerate(words)]
    lines.append(f"<blk> {len(words)}\n")
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")


def _write(part: Part, path: Path, *, fp16: bool) -> None:
    names = (*part.input_names, *part.output_names)
    with warnings.catch_warnings():
        # The newer exporter, which torch advises, needs another package.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            part.network,
            part.inputs,
            str(path),
            input_names=part.input_names,
            output_names=part.output_names,
            dynamic_axes={name: {0: "batch"} for name in names if part.batched},
            opset_version=OPSET,
            dynamo=False,
        )
    written = onnx.load(path)
    if fp16:
        store_as_fp16(written.graph)
    helper.set_model_props(written, part.metadata)
    onnx.save(written, path)


def _encoder(model: Transducer, chunk_ms: int) -> Part:
    window = chunk_ms // FRAME_MS + CONTEXT_FRAMES
    # Two clips, so that the exporter sees that their number may vary.
    inputs = (
        torch.randn(2, FEATURES, window),
        torch.tensor([window] * 2),
        torch.zeros(2, 1, 1, 1),
        torch.zeros(2, model.encoder.layers, model.encoder.width, 1),
        torch.zeros(2, dtype=torch.int64),
    )
    return Part(
        "encoder",
        model.encoder,
        inputs,
        (
            *("audio_signal", "length", "cache_last_channel"),
            *("cache_last_time", "cache_last_channel_len"),
        ),
        (
            *("outputs", "encoded_lengths", "cache_last_channel_next"),
            *("cache_last_time_next", "cache_last_channel_next_len"),
        ),
        batched=True,
        metadata=_metadata(model, window, chunk_ms),
    )


def _decoder(model: Transducer) -> Part:
    state = torch.zeros(1, 1, model.predictor.width)
    one = torch.ones(1, dtype=torch.int32)
    return Part(
        "decoder",
        model.predictor,
        (torch.zeros(1, 1, dtype=torch.int32), one, state, state.clone()),
        ("targets", "target_length", "states.1", "states.2"),
        ("outputs", "prednet_lengths", "next.1", "next.2"),
    )


def _joiner(model: Transducer) -> Part:
    frame = torch.zeros(1, model.encoder.width, 1)
    state = torch.zeros(1, model.predictor.width, 1)
    names = ("encoder_outputs", "decoder_outputs")
    return Part("joiner", model.joiner, (frame, state), names, ("outputs",))


def _metadata(model: Transducer, window: int, chunk_ms: int) -> dict[str, str]:
    """Return what sherpa-onnx wants to know about the encoder."""
    values = {
        "vocab_size": model.blank,
        "window_size": window,
        "chunk_size_ms": chunk_ms,
        "chunk_shift": chunk_ms // FRAME_MS,
        "subsampling_factor": SUBSAMPLING,
        "feat_dim": FEATURES,
        "normalize_type": "",
        "cache_last_channel_dim1": 1,
        "cache_last_channel_dim2": 1,
        "cache_last_channel_dim3": 1,
        "cache_last_time_dim1": model.encoder.layers,
        "cache_last_time_dim2": model.encoder.width,
        "cache_last_time_dim3": 1,
        "pred_rnn_layers": 1,
        "pred_hidden": model.predictor.width,
        "model_type": "EncDecHybridRNNTCTCBPEModel",
        "version": "1",
        "comment": "a tiny model for tests, trained on espeak-ng's speech",
    }
    return {key: str(value) for key, value in values.items()}


def store_as_fp16(graph: onnx.GraphProto) -> None:
    """Halve the stored weights; a Cast before their use widens them again."""
    casts = []
    for weight in graph.initializer:
        if weight.data_type != TensorProto.FLOAT:
            continue
        name = weight.name
        halved = numpy_helper.to_array(weight).astype("float16")
        weight.CopyFrom(numpy_helper.from_array(halved, f"{name}_fp16"))
        casts.append(
            helper.make_node("Cast", [weight.name], [name], to=TensorProto.FLOAT)
        )
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
