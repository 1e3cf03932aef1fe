"""What the examination of a model's folder finds, on spoiled copies of a tiny one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from providers.asr import sherpa
from providers.asr.onnx_header import read_header
from providers.asr.sherpa_model import examine
from tests.helpers_speech import TINY_MODEL
from trioagent.errors import ProviderUnavailable

Spoil = Callable[[Path], None]


def field(number: int, content: bytes) -> bytes:
    """A protobuf field with a length."""
    return varint(number * 8 + 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def onnx(outputs: int, metadata: dict[str, str]) -> bytes:
    """An ONNX file as far as `read_header` looks."""
    graph = field(1, b"some node") + field(12, b"an output") * outputs
    entries = [
        field(14, field(1, key.encode()) + field(2, value.encode()))
        for key, value in metadata.items()
    ]
    return varint(1 * 8) + varint(300) + field(7, graph) + b"".join(entries)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the tiny model, to be spoiled."""
    return Path(shutil.copytree(TINY_MODEL, tmp_path / "model"))


def spoil_metadata(path: Path, **changes: str | None) -> None:
    """Append an entry for the key, which wins over an earlier one; None spoils it."""
    data = path.read_bytes()
    for key, value in changes.items():
        if value is None:
            # The key's own bytes, so that the file stays well formed.
            data = data.replace(field(1, key.encode()), field(1, b"x" * len(key)))
        else:
            entry = field(1, key.encode()) + field(2, value.encode())
            data += field(14, entry)
    path.write_bytes(data)


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)


def no_joiner(folder: Path) -> None:
    (folder / "joiner.onnx").unlink()


def two_encoders(folder: Path) -> None:
    shutil.copy(folder / "encoder.onnx", folder / "encoder-epoch-9.onnx")


def no_tokens(folder: Path) -> None:
    (folder / "tokens.txt").unlink()


def tokens_of_another_model(folder: Path) -> None:
    (folder / "tokens.txt").write_text("▁a 0\n<blk> 1\n", encoding="utf-8")


def blank_not_last(folder: Path) -> None:
    path = folder / "tokens.txt"
    path.write_text(path.read_text().replace("<blk>", "▁blank"), encoding="utf-8")


def tokens_without_numbers(folder: Path) -> None:
    (folder / "tokens.txt").write_text("hello\nyou\n", encoding="utf-8")


def tokens_with_a_gap(folder: Path) -> None:
    (folder / "tokens.txt").write_text("▁a 0\n<blk> 2\n", encoding="utf-8")


def no_window_size(folder: Path) -> None:
    spoil_metadata(folder / "encoder.onnx", window_size=None)


def chunk_shift_of_no_number(folder: Path) -> None:
    spoil_metadata(folder / "encoder.onnx", chunk_shift="many")


def encoder_cut_short(folder: Path) -> None:
    path = folder / "encoder.onnx"
    path.write_bytes(path.read_bytes()[:100_000])


def decoder_is_a_web_page(folder: Path) -> None:
    (folder / "decoder.onnx").write_text("<!DOCTYPE html><title>404</title>")


def empty_joiner(folder: Path) -> None:
    (folder / "joiner.onnx").write_bytes(b"")


def icefall_of_unknown_type(folder: Path) -> None:
    decoder = onnx(1, {"vocab_size": "500", "context_size": "2"})
    (folder / "decoder.onnx").write_bytes(decoder)


BROKEN = [
    (no_folder, "no such folder", None),
    (no_joiner, "joiner.onnx", None),
    (two_encoders, "keep one of: encoder-epoch-9.onnx, encoder.onnx", None),
    (no_tokens, "tokens.txt", None),
    (tokens_of_another_model, "2 symbols.*vocabulary of 206", 255),
    (blank_not_last, '"▁blank", not "<blk>"', 255),
    (tokens_without_numbers, "line 1 is not", 255),
    (tokens_with_a_gap, "not numbered", 255),
    (no_window_size, "encoder.onnx.*lacks window_size", 255),
    (chunk_shift_of_no_number, 'chunk_shift = "many"', None),
    (encoder_cut_short, "encoder.onnx.*cut short", None),
    (decoder_is_a_web_page, "decoder.onnx.*not a whole ONNX file", None),
    (empty_joiner, "joiner.onnx.*not a whole ONNX file", None),
    (icefall_of_unknown_type, 'model_type is "EncDec.*not one of', None),
]


@pytest.mark.parametrize(("spoil", "message", "_exit"), BROKEN)
async def test_broken_folder_is_refused(
    folder: Path, spoil: Spoil, message: str, _exit: int | None
) -> None:
    spoil(folder)
    with pytest.raises(ProviderUnavailable, match=message) as caught:
        async with sherpa.PROVIDER.open(sherpa.Options(model=str(folder))):
            pass
    assert str(folder) in caught.value.message
    assert caught.value.hint


OPEN_BARE = """
import sys, sherpa_onnx
tokens, *onnx = [f"{sys.argv[1]}/{name}" for name in sys.argv[2:]]
sherpa_onnx.OnlineRecognizer.from_transducer(tokens, *onnx)
"""
NAMES = ["tokens.txt", "encoder.onnx", "decoder.onnx", "joiner.onnx"]


@pytest.mark.parametrize(
    "spoil", [spoil for spoil, _, status in BROKEN if status == 255]
)
def test_the_refused_would_have_ended_the_process(folder: Path, spoil: Spoil) -> None:
    """What the examination is for: sherpa-onnx alone exits, it does not raise."""
    spoil(folder)
    command = [sys.executable, "-c", OPEN_BARE, str(folder), *NAMES]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 255, found.stderr
    assert "Traceback" not in found.stderr


def test_header_of_the_tiny_model() -> None:
    header = read_header(TINY_MODEL / "encoder.onnx")
    assert header.outputs == 5
    assert header.metadata["chunk_shift"] == "16"
    assert header.metadata["normalize_type"] == ""
    assert read_header(TINY_MODEL / "decoder.onnx").outputs == 4


def test_symbols_may_be_white_space(folder: Path) -> None:
    path = folder / "tokens.txt"
    symbols = path.read_text(encoding="utf-8")
    odd = symbols.replace("▁about 1\n", "  1\n").replace("▁again 2\n", "\u2028 2\n")
    path.write_text(odd, encoding="utf-8")
    assert odd != symbols
    examine(folder)


def test_examine_names_what_it_found(folder: Path) -> None:
    found = examine(folder)
    assert (found.family, found.chunk_ms) == ("nemo", 160)
    assert sherpa.right_pad_ms(found) == 310


@pytest.mark.parametrize("prefer_int8", [True, False])
def test_int8_is_a_choice_where_both_are_there(
    folder: Path, *, prefer_int8: bool
) -> None:
    shutil.copy(folder / "encoder.onnx", folder / "encoder.int8.onnx")
    found = examine(folder, prefer_int8=prefer_int8)
    assert found.encoder.name == (
        "encoder.int8.onnx" if prefer_int8 else "encoder.onnx"
    )
    assert found.joiner.name == "joiner.onnx"


def zipformer(folder: Path, **more: str) -> None:
    """The header of an icefall export, and nothing else of it."""
    for part in ("encoder", "decoder", "joiner"):
        (folder / f"{part}.onnx").unlink()
    metadata = {"model_type": "zipformer2", "decode_chunk_len": "32", **more}
    (folder / "encoder-epoch-99-avg-1.int8.onnx").write_bytes(onnx(50, metadata))
    decoder = onnx(1, {"vocab_size": "500", "context_size": "2"})
    (folder / "decoder-epoch-99-avg-1.onnx").write_bytes(decoder)
    (folder / "joiner-epoch-99-avg-1.int8.onnx").write_bytes(onnx(1, {}))


def test_icefall_zipformer_is_known_by_its_decoder(folder: Path) -> None:
    keys = "encoder_dims query_head_dims value_head_dims num_heads num_encoder_layers"
    keys += " cnn_module_kernels left_context_len T"
    zipformer(folder, **dict.fromkeys(keys.split(), "1"))
    found = examine(folder)
    assert (found.family, found.chunk_ms) == ("zipformer2", 320)
    assert found.encoder.name == "encoder-epoch-99-avg-1.int8.onnx"


def test_icefall_zipformer_that_lacks_something(folder: Path) -> None:
    zipformer(folder)
    with pytest.raises(ProviderUnavailable, match="lacks encoder_dims, query_head"):
        examine(folder)
