"""Voices in the formats of Piper (VITS) and Kitten that sing their tokens.

Each token is a tone of its own pitch. They are some hundred bytes of ONNX, written
field by field (numbers from onnx.proto), so that tests need neither weights nor a
package to write them. They are deterministic, obey speed and speaker, and can be made
to be slow, or to fail at all but short texts.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

RATE_HZ = 16_000
TOKEN_SAMPLES = 320
IPA = range(0x250, 0x2B0)
# What espeak-ng says of English, after Piper's own marks, as Unicode numbers.
MORE_IPA = (0xE6, 0xE7, 0xF0, 0xF8, 0x127, 0x14B, 0x153, 0x2C8, 0x2CC, 0x2D0, 0x2D1)
MORE_IPA += (0x2DE, 0x3B2, 0x3B8, 0x3C7, 0x1D7B, 0x2C71, 0x303, 0x329)
SYMBOLS = "_^$ !'(),-.:;?abcdefghijklmnopqrstuvwxyz0123456789" + "".join(
    chr(number) for number in (*IPA, *MORE_IPA)
)
METADATA = {
    "model_type": "vits",
    "comment": "piper",
    "language": "English",
    "voice": "en-us",
    "has_espeak": "1",
    "n_speakers": "2",
    "sample_rate": str(RATE_HZ),
}
STYLE = 4
KITTEN = {
    "model_type": "kitten-tts",
    "style_dim": f"1,{STYLE}",
    "speaker_names": "low,high",
}
FLOAT, INT64 = 1, 7


def varint(value: int) -> bytes:
    found = bytearray()
    value &= (1 << 64) - 1
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def number(field: int, value: int) -> bytes:
    return varint(field * 8) + varint(value)


def block(field: int, content: bytes | str) -> bytes:
    data = content.encode() if isinstance(content, str) else content
    return varint(field * 8 + 2) + varint(len(data)) + data


def node(kind: str, inputs: str, output: str, **attributes: int) -> bytes:
    """A NodeProto; `inputs` are names with spaces between, attributes are integers."""
    parts = [block(1, name) for name in inputs.split()]
    parts += [block(2, output), block(4, kind)]
    for name, value in attributes.items():
        parts.append(block(5, block(1, name) + number(3, value) + number(20, 2)))
    return block(1, b"".join(parts))


def floats(name: str, values: list[float], shape: list[int]) -> bytes:
    raw = struct.pack(f"<{len(values)}f", *values)
    return _tensor(name, FLOAT, raw, shape)


def integers(name: str, values: list[int], shape: list[int]) -> bytes:
    raw = struct.pack(f"<{len(values)}q", *values)
    return _tensor(name, INT64, raw, shape)


def _tensor(name: str, kind: int, raw: bytes, shape: list[int]) -> bytes:
    dims = b"".join(number(1, size) for size in shape)
    return block(5, dims + number(2, kind) + block(8, name) + block(9, raw))


def value_info(field: int, name: str, kind: int, shape: list[int | str]) -> bytes:
    """An input (field 11) or output (field 12) of a graph; a str is an open size."""
    dims = b"".join(
        block(1, block(2, size) if isinstance(size, str) else number(1, size))
        for size in shape
    )
    tensor = number(1, kind) + block(2, dims)
    return block(field, block(1, name) + block(2, block(1, tensor)))


def model(graph: bytes, metadata: dict[str, str]) -> bytes:
    entries = [
        block(14, block(1, key) + block(2, value)) for key, value in metadata.items()
    ]
    opset = block(8, block(1, "") + number(2, 13))
    return number(1, 8) + opset + block(7, block(2, "g") + graph) + b"".join(entries)


def singing(slow: int, most_tokens: int) -> list[bytes]:
    """From "input", "length" (1 / speed) and "speaker" to "sound", of shape (T, n).

    `slow` is the side of the matrices that are multiplied on the way; more tokens than
    `most_tokens` are an error.
    """
    hz = 2 * 3.141592653589793 / RATE_HZ
    return [
        node("Mul", "length token_samples", "samples"),
        node("Cast", "samples", "count", to=INT64),
        node("Range", "zero_i count one_i", "ramp_i"),
        node("Cast", "ramp_i", "ramp", to=FLOAT),
        # Pitch: 150 Hz and 20 more per symbol; speaker 1 is 300 Hz higher.
        node("Cast", "input", "tokens", to=FLOAT),
        node("Reshape", "tokens column", "symbols"),
        node("Mul", "symbols step", "above"),
        node("Mul", "speaker apart", "higher"),
        node("Add", "above lowest", "from_lowest"),
        node("Add", "from_lowest higher", "pitch"),
        node("Mul", "pitch ramp", "phase"),
        node("Sin", "phase", "tone"),
        node("Mul", "tone loudness", "quiet"),
        # And nothing of the slow part, which yet has to be computed.
        node("Shape", "input", "shape"),
        node("Gather", "shape one_i", "tokens_count"),
        node("Gather", "allowed tokens_count", "found"),
        node("Expand", "found matrix", "a"),
        node("MatMul", "a a", "b"),
        node("MatMul", "b a", "c"),
        node("ReduceMax", "c", "most", keepdims=0),
        node("Mul", "most nothing", "none"),
        node("Add", "quiet none", "sound"),
        floats("token_samples", [TOKEN_SAMPLES], []),
        integers("zero_i", [0], []),
        integers("one_i", [1], []),
        integers("column", [-1, 1], [2]),
        floats("step", [20 * hz], []),
        floats("lowest", [150 * hz], []),
        floats("apart", [300 * hz], []),
        floats("loudness", [0.3], []),
        floats("nothing", [0.0], []),
        floats("allowed", [1.0] * (most_tokens + 1), [most_tokens + 1]),
        integers("matrix", [slow, slow], [2]),
    ]


def vits_graph(slow: int, most_tokens: int) -> bytes:
    parts = [
        # Scales are noise, length, noise.
        node("Gather", "scales one_i", "length"),
        node("Cast", "sid", "speaker", to=FLOAT),
        *singing(slow, most_tokens),
        node("Reshape", "sound wave", "output"),
        integers("wave", [1, 1, 1, -1], [4]),
        value_info(11, "input", INT64, [1, "T"]),
        value_info(11, "input_lengths", INT64, [1]),
        value_info(11, "scales", FLOAT, [3]),
        value_info(11, "sid", INT64, [1]),
        value_info(12, "output", FLOAT, [1, 1, 1, "N"]),
    ]
    return b"".join(parts)


def kitten_graph(slow: int, most_tokens: int) -> bytes:
    parts = [
        node("Reciprocal", "speed", "lengths"),
        node("ReduceMax", "lengths", "length", keepdims=0),
        node("ReduceMax", "style", "speaker", keepdims=0),
        *singing(slow, most_tokens),
        node("Reshape", "sound wave", "output"),
        integers("wave", [-1], [1]),
        value_info(11, "input", INT64, [1, "T"]),
        value_info(11, "style", FLOAT, [1, STYLE]),
        value_info(11, "speed", FLOAT, [1]),
        value_info(12, "output", FLOAT, ["N"]),
    ]
    return b"".join(parts)


def most_tokens_of(*, fails: bool) -> int:
    """Enough for "Hello." or for anything."""
    return 24 if fails else 20_000


def write_vits(
    folder: Path, *, slow: int = 1, fails: bool = False, **metadata: str
) -> Path:
    """Write a Piper voice into `folder`; metadata of "" is left out."""
    graph = vits_graph(slow, most_tokens_of(fails=fails))
    return _write(folder, graph, {**METADATA, **metadata})


def write_kitten(
    folder: Path, *, slow: int = 1, fails: bool = False, **metadata: str
) -> Path:
    """Write a Kitten voice into `folder`; metadata of "" is left out."""
    graph = kitten_graph(slow, most_tokens_of(fails=fails))
    _write(folder, graph, {**METADATA, **KITTEN, **metadata})
    styles = [float(speaker) for speaker in range(2) for _ in range(STYLE)]
    (folder / "voices.bin").write_bytes(struct.pack(f"<{len(styles)}f", *styles))
    return folder


def _write(folder: Path, graph: bytes, metadata: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    entries = {key: value for key, value in metadata.items() if value}
    (folder / "tiny.onnx").write_bytes(model(graph, entries))
    lines = [f"{symbol} {index}\n" for index, symbol in enumerate(SYMBOLS)]
    (folder / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    return folder
