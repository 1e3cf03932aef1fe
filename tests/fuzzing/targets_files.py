"""Files that other people made: models, archives, sounds, recordings, settings."""

from __future__ import annotations

import atexit
import functools
import json
import shutil
import tempfile
from pathlib import Path

from providers.asr.sherpa_metadata import (
    examine_icefall,
    examine_nemo,
    examine_nemo_ctc,
    languages_of,
)
from providers.asr.sherpa_model import _read_tokens
from providers.onnx_header import NotOnnx, read_header
from providers.rooms.mumble.pins import check_pin
from providers.tts.sherpa_folder import _check_tokens
from providers.tts.sherpa_piper import NotPiper, convert
from tests.fuzzing.target import Target, is_short
from trioagent.errors import ConfigError, ProviderUnavailable, RoomRejected
from trioagent.fitting.cards import (
    BASIC_FIELDS,
    parse_cards,
    parse_processes,
    visible,
    with_processes,
    with_slices,
)
from trioagent.fitting.nvidia_smi import trouble, usable


@functools.cache
def folder() -> Path:
    """A folder in memory, if there is such a thing, that goes with the process."""
    memory = Path("/dev/shm")
    made = tempfile.mkdtemp(prefix="fuzz-", dir=memory if memory.is_dir() else None)
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return Path(made)


def written(name: str, data: bytes) -> Path:
    """A file with this in it."""
    path = folder() / name
    path.write_bytes(data)
    path.chmod(0o600)
    return path


# --- models ----------------------------------------------------------------------


def _field(number: int, content: bytes) -> bytes:
    return _varint(number * 8 + 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    return (
        bytes((value,))
        if value < 0x80
        else bytes((value & 0x7F | 0x80,)) + _varint(value >> 7)
    )


def _port(name: str, *sizes: int) -> bytes:
    dims = b"".join(_field(1, b"\x08" + _varint(size)) for size in sizes)
    return _field(1, name.encode()) + _field(
        2, _field(1, b"\x08\x01" + _field(2, dims))
    )


def _onnx(metadata: dict[str, str], inputs: list[bytes], outputs: int) -> bytes:
    graph = b"".join(_field(11, port) for port in inputs)
    graph += b"".join(_field(12, _port("out", 1)) for _ in range(outputs))
    entries = (
        _field(14, _field(1, key.encode()) + _field(2, value.encode()))
        for key, value in metadata.items()
    )
    return b"\x08\x07" + _field(7, _field(1, bytes(50)) + graph) + b"".join(entries)


_CACHE = {
    f"cache_last_{kind}_dim{n}": "4" for kind in ("channel", "time") for n in (1, 2, 3)
}
_NEMO = _CACHE | {
    "vocab_size": "9",
    "window_size": "25",
    "chunk_shift": "16",
    "subsampling_factor": "8",
    "pred_rnn_layers": "2",
    "pred_hidden": "64",
    "normalize_type": "",
    "prompt_dictionary": '{"en-US": 0, "de": 1}',
}
_ICEFALL = {
    "model_type": "zipformer2",
    "T": "45",
    "decode_chunk_len": "32",
    **dict.fromkeys(
        ("encoder_dims", "num_encoder_layers", "cnn_module_kernels", "num_heads"), "2,2"
    ),
    **dict.fromkeys(("left_context_len", "query_head_dims", "value_head_dims"), "4,4"),
}


def _onnx_seeds() -> list[bytes]:
    audio = [_port("audio", 1, 80, 25), *(_port(f"cache{n}", 4) for n in range(4))]
    return [
        _onnx(_NEMO, audio, 5),
        _onnx(_NEMO, [*audio, _port("prompt_index", 1)], 5),
        _onnx(_ICEFALL, [_port("x", 1, 45, 80)], 3),
        _onnx({}, [], 0),
    ]


def _model(data: bytes) -> None:
    path = written("model.onnx", data)
    header = read_header(path)
    for examine in (examine_nemo, examine_nemo_ctc, examine_icefall):
        try:
            examine(path, header)
        except ProviderUnavailable as error:
            is_short(error.message)
    for value in header.metadata.values():
        languages_of(value)


def _token_files(data: bytes) -> None:
    path = written("tokens.txt", data)
    _check_tokens(path, is_piper=bool(len(data) % 2))
    _read_tokens(path)


def _piper(data: bytes) -> None:
    written("voice.onnx.json", data)
    convert(written("voice.onnx", _onnx({}, [], 0)), folder() / "voice")


# --- what programs print, and files of our own -----------------------------------

_CARDS = (
    "0, GPU-1, NVIDIA H100 80GB HBM3, 81559, 80995, 9.0, Disabled\n"
    '1, GPU-2, "A, B", 40960, [N/A], 8.0, Enabled\n'
    "GPU-1, 77, /usr/bin/python3, 512\n"
    "GPU 1: A (UUID: GPU-2)\n"
    "  MIG 3g.20gb     Device  0: (UUID: MIG-3)\n"
)


def _nvidia(data: bytes) -> None:
    text = data.decode(errors="replace")
    cards = (*parse_cards(text), *parse_cards(text, BASIC_FIELDS))
    cards = with_processes(with_slices(cards, text), parse_processes(text))
    for wanted in ("0,1", "GPU-2", "MIG-3", text[:40]):
        visible(cards, {"CUDA_VISIBLE_DEVICES": wanted})
    usable(cards, {})
    trouble(1, text)


def _pins(data: bytes) -> None:
    check_pin(str(written("servers", data)), "host:64738", b"certificate")


TARGETS = (
    Target(
        "files.onnx",
        _model,
        _onnx_seeds,
        (NotOnnx,),
        tokens=(
            b"9" * 5000,
            b"window_size",
            b"\x12\x02",
            b"\x3a",
            b"\x5a\x00",
            b"2,2,",
        ),
    ),
    Target(
        "files.tokens",
        _token_files,
        lambda: ["<blk> 0\na 1\n\u2581the 2\n  3\n".encode(), b"_ 0\n^ 1\n$ 2\n"],
        (ProviderUnavailable,),
        tokens=(b" 0\n", b" ", b"\xd9\xa3", b"9" * 5000),
    ),
    Target(
        "files.piper_json",
        _piper,
        lambda: [
            json.dumps(
                {
                    "phoneme_type": "espeak",
                    "phoneme_id_map": {"_": [0], "^": [1], "a": [14, 0]},
                    "speaker_id_map": {"x": 1, "y": 0},
                    "language": {"name_english": "English"},
                    "espeak": {"voice": "en"},
                    "num_speakers": 2,
                    "audio": {"sample_rate": 22050},
                }
            ).encode()
        ],
        (NotPiper,),
        is_json=True,
    ),
    Target(
        "nvidia_smi",
        _nvidia,
        lambda: [_CARDS.encode(), b"No devices were found\n"],
        tokens=(
            b"inf",
            b"nan",
            b'"',
            b"9" * 5000,
            b"MIG 1g.5gb",
            b"(UUID: GPU-",
            b", ",
        ),
    ),
    Target(
        "mumble.pins",
        _pins,
        lambda: [b"# seen\nother:1 sha256 AA:BB\n", b"host:64738 sha256 AA\n"],
        (ConfigError, RoomRejected),
        tokens=(b"host:64738 ", b"sha256 ", b"\n", b"#"),
    ),
)
