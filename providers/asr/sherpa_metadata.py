"""What sherpa-onnx reads from a model's metadata, by the kind of model.

It ends the whole process (exit status 255) when something is missing or no number, so
all of it is checked first.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import attrs

from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from pathlib import Path

    from providers.onnx_header import OnnxHeader, Port

DOWNLOAD_HINT = "docs/models.md says which models fit and where to get them."

MS_PER_FEATURE_FRAME = 10

CACHE_NUMBERS = (
    *(f"cache_last_channel_dim{n}" for n in (1, 2, 3)),
    *(f"cache_last_time_dim{n}" for n in (1, 2, 3)),
)
NEMO_CTC_NUMBERS = (
    *("vocab_size", "window_size", "chunk_shift", "subsampling_factor"),
    *CACHE_NUMBERS,
)
# `normalize_type` must be there too, but may be empty.
NEMO_NUMBERS = (*NEMO_CTC_NUMBERS, "pred_rnn_layers", "pred_hidden")

CHUNK_NUMBERS = ("T", "decode_chunk_len")
ICEFALL_NUMBERS = {
    "conformer": (
        *("num_encoder_layers", "left_context", "encoder_dim", "pad_length"),
        "cnn_module_kernel",
    ),
    "ebranchformer": (
        *("num_hidden_layers", "hidden_size", "intermediate_size", "num_heads"),
        *("csgu_kernel_size", "merge_conv_kernel", "left_context_len", "head_dim"),
    ),
    "lstm": ("num_encoder_layers", "rnn_hidden_size", "d_model"),
    "zipformer": (),
    "zipformer2": (),
}
# Lists with a number for each of the model's stacks.
ZIPFORMER_LISTS = ("encoder_dims", "num_encoder_layers", "cnn_module_kernels")
ICEFALL_LISTS = {
    "zipformer": (*ZIPFORMER_LISTS, "left_context_len", "attention_dims"),
    "zipformer2": (
        *(*ZIPFORMER_LISTS, "left_context_len", "num_heads"),
        *("query_head_dims", "value_head_dims"),
    ),
}
ICEFALL_FEATURES = 80

_MOST_DIGITS = 9
_PROMPT = re.compile(
    # Possessive, and only where a name begins: else a long name that has no number is
    # searched from each of its letters.
    r"""(?<![^\s{}\[\],;:="'])([^\s{}\[\],;:="']++)["']?\s*+[:=]\s*+["']?\d"""
)


@attrs.frozen
class Geometry:
    """How much audio a model takes at a time, and in what shape.

    `chunk_ms` is by how much it advances, `window_ms` what it must have for that;
    `languages` are those of a model of many, in lower case.
    """

    family: str
    chunk_ms: int
    window_ms: int
    features: int
    languages: frozenset[str] = frozenset()


def unusable(path: Path, reason: str) -> ProviderUnavailable:
    """The error for a file or folder that cannot be used."""
    message = f"sherpa: {path} cannot be used: {reason}"
    return ProviderUnavailable(message, hint=DOWNLOAD_HINT)


def require(path: Path, header: OnnxHeader, keys: tuple[str, ...]) -> None:
    """Check that the metadata has all keys."""
    missing = [key for key in keys if key not in header.metadata]
    if missing:
        reason = (
            f"its metadata lacks {', '.join(missing)}: not a streaming model of a kind"
            " that can be used here"
        )
        raise unusable(path, reason)


def require_numbers(path: Path, header: OnnxHeader, keys: tuple[str, ...]) -> None:
    """Check that the metadata has all keys, each with a number above zero."""
    require(path, header, keys)
    for key in keys:
        value = header.metadata[key]
        if _whole(value) < 1:
            raise unusable(path, f'its metadata has {key} = "{value}", not a number')


def examine_nemo(path: Path, header: OnnxHeader) -> Geometry:
    """Check the encoder of a NeMo transducer."""
    require_numbers(path, header, NEMO_NUMBERS)
    require(path, header, ("normalize_type",))
    named = {port.name for port in header.inputs}
    languages: frozenset[str] = frozenset()
    if "prompt_index" in named:
        languages = languages_of(header.metadata.get("prompt_dictionary", ""))
    wanted = 6 if "prompt_index" in named else 5
    if (len(header.inputs), header.outputs) != (wanted, 5):
        found = f"{len(header.inputs)} inputs and {header.outputs} outputs"
        raise unusable(path, f"it has {found}, not {wanted} and 5: not streaming")
    return _nemo_geometry(path, header, "nemo", languages)


def examine_nemo_ctc(path: Path, header: OnnxHeader) -> Geometry:
    """Check a NeMo CTC model, which is one file."""
    require_numbers(path, header, NEMO_CTC_NUMBERS)
    return _nemo_geometry(path, header, "nemo-ctc", frozenset())


def _nemo_geometry(
    path: Path, header: OnnxHeader, family: str, languages: frozenset[str]
) -> Geometry:
    check_sample_rate(path, header)
    window = int(header.metadata["window_size"])
    chunk = int(header.metadata["chunk_shift"])
    audio = _first_input(path, header)
    if window < chunk:
        raise unusable(path, f"its window_size {window} is below chunk_shift {chunk}")
    if audio.size(2) not in (0, window):
        reason = (
            f"it takes windows of {audio.size(2)} frames, but its metadata says "
            f"window_size = {window}: it was exported for another chunk size"
        )
        raise unusable(path, reason)
    features = audio.size(1) or _number(header, "feat_dim")
    if not features:
        raise unusable(path, f"its input {audio.name} has no fixed number of bands")
    scale = MS_PER_FEATURE_FRAME
    return Geometry(family, chunk * scale, window * scale, features, languages)


def examine_icefall(path: Path, header: OnnxHeader) -> Geometry:
    """Check the encoder of an icefall transducer, or a whole zipformer2 CTC model."""
    require(path, header, ("model_type",))
    family = header.metadata["model_type"]
    if family not in ICEFALL_NUMBERS:
        known = ", ".join(ICEFALL_NUMBERS)
        raise unusable(path, f'its model_type is "{family}", not one of {known}')
    lists = ICEFALL_LISTS.get(family, ())
    require(path, header, lists)
    require_numbers(path, header, (*ICEFALL_NUMBERS[family], *CHUNK_NUMBERS))
    check_sample_rate(path, header)
    for key in lists:
        _check_list(path, header, key)
    # (batch, frames, features)
    audio = _first_input(path, header)
    window, chunk = (int(header.metadata[key]) for key in CHUNK_NUMBERS)
    if audio.size(1) not in (0, window):
        reason = (
            f"it takes windows of {audio.size(1)} frames, but its metadata says "
            f"T = {window}: it was exported for another chunk size"
        )
        raise unusable(path, reason)
    scale = MS_PER_FEATURE_FRAME
    features = audio.size(2) or ICEFALL_FEATURES
    return Geometry(family, chunk * scale, window * scale, features)


def _check_list(path: Path, header: OnnxHeader, key: str) -> None:
    value = header.metadata[key]
    stacks = header.metadata["encoder_dims"].count(",") + 1
    if not re.fullmatch(r"\d+(,\d+)*", value) or value.count(",") + 1 != stacks:
        reason = f'its metadata has {key} = "{value}", not {stacks} numbers'
        raise unusable(path, reason)


def _first_input(path: Path, header: OnnxHeader) -> Port:
    if not header.inputs:
        raise unusable(path, "it has no inputs")
    return header.inputs[0]


def check_sample_rate(path: Path, header: OnnxHeader) -> None:
    """Refuse a model that says it wants another rate than people are heard at."""
    rate_hz = _number(header, "sample_rate") or HEARING_RATE_HZ
    if rate_hz != HEARING_RATE_HZ:
        reason = f"it is made for audio at {rate_hz} Hz, and this is {HEARING_RATE_HZ}"
        raise unusable(path, reason)


def _number(header: OnnxHeader, key: str) -> int:
    return _whole(header.metadata.get(key, ""))


def _whole(text: str) -> int:
    """A whole number from 0; 0 for what is none, or larger than any model needs."""
    return int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0


def normalized_language(name: str) -> str:
    """The language as sherpa-onnx compares it: "en_US" is "en-us"."""
    return name.strip().strip("\"'").strip("<>").replace("_", "-").lower()


def languages_of(dictionary: str) -> frozenset[str]:
    """The languages in a `prompt_dictionary`: {"en-US": 0, …}; "en" is one, too."""
    names = {normalized_language(name) for name in _PROMPT.findall(dictionary)}
    return frozenset(names | {name.split("-")[0] for name in names})
