"""A folder with a streaming transducer, examined before sherpa-onnx may open it.

sherpa-onnx ends the whole process (exit status 255) when a model lacks something that
it expects. So everything that it is known to check is checked here first.
"""

from __future__ import annotations

from pathlib import Path

import attrs

from providers.asr.onnx_header import NotOnnx, OnnxHeader, read_header
from trioagent.errors import ProviderUnavailable

DOWNLOAD_HINT = "docs/models.md says which models fit and where to get them."

MS_PER_FEATURE_FRAME = 10

# What sherpa-onnx reads from the encoder of a NeMo streaming transducer, all of it
# numbers. `normalize_type` must be there too, but may be empty.
NEMO_NUMBERS = (
    "vocab_size",
    "window_size",
    "chunk_shift",
    "subsampling_factor",
    "pred_rnn_layers",
    "pred_hidden",
    *(f"cache_last_channel_dim{n}" for n in (1, 2, 3)),
    *(f"cache_last_time_dim{n}" for n in (1, 2, 3)),
)
ICEFALL_TYPES = ("conformer", "ebranchformer", "lstm", "zipformer", "zipformer2")
ZIPFORMER2_KEYS = (
    "encoder_dims",
    "query_head_dims",
    "value_head_dims",
    "num_heads",
    "num_encoder_layers",
    "cnn_module_kernels",
    "left_context_len",
    "T",
    "decode_chunk_len",
)
# For families whose chunk length we do not know: longer than any that is published.
DEFAULT_CHUNK_MS = 640


@attrs.frozen
class SherpaModel:
    """The files of a model that passed the examination."""

    encoder: Path
    decoder: Path
    joiner: Path
    tokens: Path
    family: str
    """"nemo" (Nemotron is one), "parakeet-unified", or icefall's "zipformer2" etc."""
    chunk_ms: int
    """Audio that the encoder takes at a time."""


def examine(folder: Path, *, prefer_int8: bool = True) -> SherpaModel:
    """Find the model's files in `folder` and check what sherpa-onnx relies on.

    Where a part is there in full precision and as int8, `prefer_int8` chooses.

    Raises:
        ProviderUnavailable: names the file and what is wrong with it.
    """
    if not folder.is_dir():
        raise _unusable(folder, "there is no such folder")
    encoder, decoder, joiner = (
        _find_part(folder, part, prefer_int8=prefer_int8)
        for part in ("encoder", "decoder", "joiner")
    )
    tokens = folder / "tokens.txt"
    symbols = _read_tokens(tokens)
    encoder_header, decoder_header = _header(encoder), _header(decoder)
    _header(joiner)
    if decoder_header.metadata.get("streaming_model_type"):
        family, chunk_ms = "parakeet-unified", DEFAULT_CHUNK_MS
    elif decoder_header.outputs == 1:
        family, chunk_ms = _examine_icefall(encoder, encoder_header)
        _require(decoder, decoder_header, ("vocab_size", "context_size"))
    else:
        family, chunk_ms = "nemo", _examine_nemo(encoder, encoder_header)
        vocabulary = int(encoder_header.metadata["vocab_size"])
        _check_nemo_tokens(tokens, symbols, vocabulary)
    return SherpaModel(encoder, decoder, joiner, tokens, family, chunk_ms)


def _unusable(path: Path, reason: str) -> ProviderUnavailable:
    message = f"sherpa: {path} cannot be used: {reason}"
    return ProviderUnavailable(message, hint=DOWNLOAD_HINT)


def _find_part(folder: Path, part: str, *, prefer_int8: bool) -> Path:
    found = sorted(folder.glob(f"{part}*.onnx"))
    if not found:
        raise _unusable(folder, f"it holds no {part}.onnx or {part}*.onnx")
    preferred = [path for path in found if (".int8." in path.name) == prefer_int8]
    chosen = preferred or found
    if len(chosen) > 1:
        names = ", ".join(path.name for path in chosen)
        raise _unusable(folder, f"it holds several models, keep one of: {names}")
    return chosen[0]


def _header(path: Path) -> OnnxHeader:
    try:
        return read_header(path)
    except NotOnnx as error:
        raise _unusable(path, f"not a whole ONNX file, {error}") from error
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def _require(path: Path, header: OnnxHeader, keys: tuple[str, ...]) -> None:
    missing = [key for key in keys if key not in header.metadata]
    if missing:
        reason = f"its metadata lacks {', '.join(missing)}: not a streaming transducer"
        raise _unusable(path, reason)


def _examine_nemo(path: Path, header: OnnxHeader) -> int:
    _require(path, header, ("normalize_type", *NEMO_NUMBERS))
    for key in NEMO_NUMBERS:
        value = header.metadata[key]
        if not value.isdecimal() or int(value) < 1:
            raise _unusable(path, f'its metadata has {key} = "{value}", not a number')
    return int(header.metadata["chunk_shift"]) * MS_PER_FEATURE_FRAME


def _examine_icefall(path: Path, header: OnnxHeader) -> tuple[str, int]:
    _require(path, header, ("model_type",))
    family = header.metadata["model_type"]
    if family not in ICEFALL_TYPES:
        known = ", ".join(ICEFALL_TYPES)
        raise _unusable(path, f'its model_type is "{family}", not one of {known}')
    if family == "zipformer2":
        _require(path, header, ZIPFORMER2_KEYS)
    frames = header.metadata.get("decode_chunk_len", "")
    if not frames.isdecimal():
        return family, DEFAULT_CHUNK_MS
    return family, int(frames) * MS_PER_FEATURE_FRAME


def _read_tokens(path: Path) -> list[str]:
    """Read the symbols in the order of their numbers, which must have no gap."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise _unusable(path, "it is not UTF-8 text") from error
    # Not by splitlines: a symbol may be what Unicode takes for the end of a line.
    lines = text.removesuffix("\n").split("\n")
    symbols: dict[int, str] = {}
    for number, line in enumerate(lines, 1):
        # The symbol itself may be a space, and then only the number is found.
        *symbol, index = line.rsplit(maxsplit=1) or [""]
        if not index.isdecimal():
            raise _unusable(path, f'line {number} is not "symbol number": {line!r}')
        symbols[int(index)] = "".join(symbol)
    if sorted(symbols) != list(range(len(lines))):
        raise _unusable(path, f"its {len(lines)} lines are not numbered 0, 1, 2, …")
    return [symbols[index] for index in range(len(symbols))]


def _check_nemo_tokens(path: Path, symbols: list[str], vocabulary: int) -> None:
    if len(symbols) != vocabulary + 1:
        reason = (
            f"it has {len(symbols)} symbols, but the encoder has a vocabulary of "
            f"{vocabulary} and a blank: it belongs to another model"
        )
        raise _unusable(path, reason)
    if symbols[-1] != "<blk>":
        raise _unusable(path, f'its last symbol is "{symbols[-1]}", not "<blk>"')
