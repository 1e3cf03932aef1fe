"""What the examination of a model's folder finds, on spoiled copies of a tiny one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from providers.asr import sherpa
from providers.asr.sherpa_model import examine
from providers.onnx_header import read_header
from tests.contract.tiny_voice import FLOAT, block, model, value_info
from tests.helpers_speech import TINY_MODEL
from trioagent.errors import ProviderUnavailable

Spoil = Callable[[Path], None]


def onnx(
    outputs: int, metadata: dict[str, str], shape: Sequence[int | str] = ("N", 1, 80)
) -> bytes:
    """An ONNX file as far as `read_header` looks."""
    ports = value_info(11, "x", FLOAT, [*shape])
    ports += b"".join(value_info(12, f"y{n}", FLOAT, ["N"]) for n in range(outputs))
    return model(ports, metadata)


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
            data = data.replace(block(1, key), block(1, "x" * len(key)))
        else:
            entry = block(1, key) + block(2, value)
            data += block(14, entry)
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
    (no_joiner, r"no joiner\*.onnx", None),
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


def status_of_bare(folder: Path, names: list[str]) -> int:
    """The exit status of a process that opens a transducer without a look at it."""
    command = [sys.executable, "-c", OPEN_BARE, str(folder), *names]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in found.stderr
    return found.returncode


@pytest.mark.parametrize(
    "spoil", [spoil for spoil, _, status in BROKEN if status == 255]
)
def test_the_refused_would_have_ended_the_process(folder: Path, spoil: Spoil) -> None:
    """What the examination is for: sherpa-onnx alone exits, it does not raise."""
    spoil(folder)
    assert status_of_bare(folder, NAMES) == 255


def test_header_of_the_tiny_model() -> None:
    header = read_header(TINY_MODEL / "encoder.onnx")
    assert header.outputs == 5
    assert header.metadata["chunk_shift"] == "16"
    assert header.metadata["normalize_type"] == ""
    assert [port.shape for port in header.inputs[:2]] == [(0, 128, 25), (0,)]
    assert header.results[0].name == "outputs"
    assert header.results[0].size(2) == 2
    assert header.results[0].size(7) == 0
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
    assert found.files["encoder"].name == (
        "encoder.int8.onnx" if prefer_int8 else "encoder.onnx"
    )
    assert found.files["joiner"].name == "joiner.onnx"
