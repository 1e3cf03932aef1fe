"""A folder with a streaming model, recognized by its files and examined.

sherpa-onnx ends the whole process when a model lacks something that it expects. So
everything that it is known to check is checked here, before it may open the model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import attrs

from providers.asr.sherpa_metadata import (
    DOWNLOAD_HINT,
    Geometry,
    examine_icefall,
    examine_nemo,
    examine_nemo_ctc,
    require,
    require_numbers,
    unusable,
)
from providers.onnx_header import NotOnnx, OnnxHeader, read_header

__all__ = ["DOWNLOAD_HINT", "SherpaModel", "examine"]

Loader = Literal["transducer", "nemo_ctc", "zipformer2_ctc"]

PARTS = ("encoder", "decoder", "joiner")
# As NeMo's exports are called, and icefall's.
CTC_NAMES = ("model*.onnx", "ctc*.onnx")
CTC_BLANKS = ("<blk>", "<eps>", "<blank>")
PARAKEET_UNIFIED = "parakeet-unified"
_MOST_DIGITS = 9
_SHOWN_CHARS = 80
# We know no chunk length of those: longer than any that is published.
UNIFIED_CHUNK_MS, UNIFIED_WINDOW_MS, UNIFIED_FEATURES = 640, 730, 128
TRANSDUCER_INPUTS, TRANSDUCER_OUTPUTS = 4, 4


@attrs.frozen
class SherpaModel:
    """A model that passed the examination.

    Attributes:
        loader: What sherpa-onnx opens it with: `OnlineRecognizer.from_…`.
        files: Its files by the names of the loader's parameters.
        symbols: What is in tokens.txt, in order.
    """

    folder: Path
    loader: Loader
    files: dict[str, Path]
    geometry: Geometry
    symbols: tuple[str, ...] = attrs.field(repr=False)

    @property
    def family(self) -> str:
        """Nemotron's is "nemo"; "nemo-ctc", or icefall's "zipformer2" etc."""
        return self.geometry.family

    @property
    def chunk_ms(self) -> int:
        """Audio that the model takes at a time."""
        return self.geometry.chunk_ms

    @property
    def takes_hotwords(self) -> bool:
        """Whether it can be decoded with hot words."""
        return self.loader == "transducer" and self.family != PARAKEET_UNIFIED

    def __str__(self) -> str:
        many = ", many languages" if self.geometry.languages else ""
        return f"{self.folder}: {self.family}, chunks of {self.chunk_ms} ms{many}"


def examine(folder: Path, *, prefer_int8: bool = True) -> SherpaModel:
    """Find the model's files in `folder` and check what sherpa-onnx relies on.

    Where a part is there in full precision and as int8, `prefer_int8` chooses.

    Raises:
        ProviderUnavailable: names the file and what is wrong with it.
    """
    if not folder.is_dir():
        raise unusable(folder, "there is no such folder")
    is_transducer = _matches(folder, *(f"{part}*.onnx" for part in PARTS))
    if is_transducer or not _matches(folder, *CTC_NAMES):
        return _examine_transducer(folder, prefer_int8=prefer_int8)
    return _examine_ctc(folder, prefer_int8=prefer_int8)


def _examine_transducer(folder: Path, *, prefer_int8: bool) -> SherpaModel:
    files = {
        part: _find(folder, f"{part}*.onnx", prefer_int8=prefer_int8) for part in PARTS
    }
    tokens = folder / "tokens.txt"
    symbols = _read_tokens(tokens)
    encoder, decoder, _joiner = (_header(files[part]) for part in PARTS)
    if decoder.metadata.get("streaming_model_type"):
        sizes = UNIFIED_CHUNK_MS, UNIFIED_WINDOW_MS, UNIFIED_FEATURES
        geometry = Geometry(PARAKEET_UNIFIED, *sizes)
    elif decoder.outputs == 1:
        geometry = examine_icefall(files["encoder"], encoder)
        require_numbers(files["decoder"], decoder, ("vocab_size", "context_size"))
        _check_size(tokens, symbols, int(decoder.metadata["vocab_size"]))
    else:
        geometry = examine_nemo(files["encoder"], encoder)
        _check_nemo_decoder(files["decoder"], decoder)
        _check_nemo_tokens(tokens, symbols, int(encoder.metadata["vocab_size"]))
    files["tokens"] = tokens
    return SherpaModel(folder, "transducer", files, geometry, symbols)


def _examine_ctc(folder: Path, *, prefer_int8: bool) -> SherpaModel:
    model = _find(folder, *CTC_NAMES, prefer_int8=prefer_int8)
    files = {"model": model, "tokens": folder / "tokens.txt"}
    symbols = _read_tokens(files["tokens"])
    header = _header(model)
    loader: Loader
    if "window_size" in header.metadata:
        geometry, loader = examine_nemo_ctc(model, header), "nemo_ctc"
        vocabulary = int(header.metadata["vocab_size"])
        _check_nemo_tokens(files["tokens"], symbols, vocabulary)
    elif header.metadata.get("model_type") == "zipformer2":
        found = examine_icefall(model, header)
        geometry, loader = (
            attrs.evolve(found, family="zipformer2-ctc"),
            "zipformer2_ctc",
        )
        _check_size(files["tokens"], symbols, header.results[0].size(2))
        if not set(CTC_BLANKS) & set(symbols):
            names = ", ".join(CTC_BLANKS)
            raise unusable(files["tokens"], f"it has no symbol for blank: {names}")
    else:
        require(model, header, ("window_size", "chunk_shift"))
        raise AssertionError("one of them is missing")
    return SherpaModel(folder, loader, files, geometry, symbols)


def _matches(folder: Path, *patterns: str) -> list[Path]:
    return sorted({path for pattern in patterns for path in folder.glob(pattern)})


def _find(folder: Path, *patterns: str, prefer_int8: bool) -> Path:
    found = _matches(folder, *patterns)
    if not found:
        wanted = " or ".join(patterns)
        hint = (
            " (a streaming transducer has encoder*.onnx, decoder*.onnx, joiner*.onnx"
            " and tokens.txt; a streaming CTC model has model*.onnx and tokens.txt)"
        )
        raise unusable(folder, f"it holds no {wanted}{hint}")
    preferred = [path for path in found if (".int8." in path.name) == prefer_int8]
    chosen = preferred or found
    if len(chosen) > 1:
        names = ", ".join(path.name for path in chosen)
        raise unusable(folder, f"it holds several models, keep one of: {names}")
    return chosen[0]


def _header(path: Path) -> OnnxHeader:
    try:
        header = read_header(path)
    except NotOnnx as error:
        raise unusable(path, f"not a whole ONNX file, {error}") from error
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error
    if not header.inputs or not header.results:
        raise unusable(path, "its graph has no inputs or no outputs")
    return header


def _check_nemo_decoder(path: Path, header: OnnxHeader) -> None:
    found = len(header.inputs), header.outputs
    if found != (TRANSDUCER_INPUTS, TRANSDUCER_OUTPUTS):
        reason = (
            f"it has {found[0]} inputs and {found[1]} outputs, not 4 and 4:"
            " not the decoder of a NeMo transducer"
        )
        raise unusable(path, reason)


def _read_tokens(path: Path) -> tuple[str, ...]:
    """Read the symbols in the order of their numbers, which must have no gap."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise unusable(path, "it is not UTF-8 text") from error
    # Not by splitlines: a symbol may be what Unicode takes for the end of a line.
    lines = text.removesuffix("\n").split("\n")
    symbols: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        # The symbol itself may be a space, and then only the number is found.
        *symbol, index = line.rsplit(maxsplit=1) or [""]
        if not index.isdecimal() or len(index) > _MOST_DIGITS:
            shown = line[:_SHOWN_CHARS]
            raise unusable(path, f'line {number} is not "symbol number": {shown!r}')
        symbols[int(index)] = "".join(symbol)
    if sorted(symbols) != list(range(len(lines))):
        raise unusable(path, f"its {len(lines)} lines are not numbered 0, 1, 2, …")
    return tuple(symbols[index] for index in range(len(symbols)))


def _check_size(path: Path, symbols: tuple[str, ...], vocabulary: int) -> None:
    if len(symbols) < vocabulary:
        reason = (
            f"it has {len(symbols)} symbols, but the model has a vocabulary of "
            f"{vocabulary}: it belongs to another model"
        )
        raise unusable(path, reason)


def _check_nemo_tokens(path: Path, symbols: tuple[str, ...], vocabulary: int) -> None:
    if len(symbols) != vocabulary + 1:
        reason = (
            f"it has {len(symbols)} symbols, but the model has a vocabulary of "
            f"{vocabulary} and a blank: it belongs to another model"
        )
        raise unusable(path, reason)
    if symbols[-1] != "<blk>":
        raise unusable(path, f'its last symbol is "{symbols[-1]}", not "<blk>"')
