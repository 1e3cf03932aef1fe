"""A folder with a voice for sherpa-onnx, recognized by its files and examined.

sherpa-onnx ends the whole process (exit status 255) when a model lacks something that
it expects. What it is known to check is checked here first.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal

import attrs

from providers.onnx_header import NotOnnx, OnnxHeader, read_header
from trioagent.errors import ProviderUnavailable

DOWNLOAD_HINT = "docs/voices.md says which voices fit and where to get them."
PIPER_HINT = (
    "a voice as Piper publishes it is made to fit by"
    " `python -m providers.tts.sherpa_piper VOICE.onnx FOLDER`"
)

Kind = Literal["vits", "matcha", "kokoro", "kitten", "zipvoice", "pocket"]

LOWEST_RATE_HZ, HIGHEST_RATE_HZ = 8_000, 48_000
FLOAT_BYTES = 4
_SHOWN_CHARS = 80
VOCODERS = ("vocos*.onnx", "hifigan*.onnx", "vocoder*.onnx")
NEEDED = {
    "vits": ("sample_rate", "n_speakers", "language", "comment"),
    "matcha": ("sample_rate", "n_speakers"),
    "kokoro": ("sample_rate", "n_speakers", "has_espeak", "style_dim"),
    "kitten": ("model_type", "sample_rate", "n_speakers", "has_espeak", "style_dim"),
}
POCKET_PARTS = {
    "lm_flow": "lm_flow*.onnx",
    "lm_main": "lm_main*.onnx",
    "encoder": "encoder*.onnx",
    "decoder": "decoder*.onnx",
    "text_conditioner": "text_conditioner*.onnx",
    "vocab_json": "vocab.json",
    "token_scores_json": "token_scores.json",
}


@attrs.frozen
class VoiceFolder:
    """A voice that passed the examination.

    `files` are named as sherpa-onnx names them; `metadata` is the main model's.
    """

    folder: Path
    kind: Kind
    files: dict[str, Path]
    metadata: dict[str, str]
    lexicons: tuple[Path, ...]

    @property
    def takes_phonemes(self) -> bool:
        """Whether text must be given as espeak-ng's phonemes."""
        spells = self.metadata.get("frontend") == "characters"
        return self.kind not in ("zipvoice", "pocket") and not (self.lexicons or spells)

    @property
    def clones(self) -> bool:
        """Whether it speaks with the voice of a recording."""
        return self.kind in ("zipvoice", "pocket")

    @property
    def speaker_names(self) -> list[str]:
        """Names of its speakers in the order of their numbers; may be empty."""
        names = self.metadata.get("speaker_names", "")
        return [name.strip() for name in names.split(",") if name.strip()]


def examine(folder: Path, *, prefer_int8: bool = True) -> VoiceFolder:
    """Find out what kind of voice `folder` holds, and that it is complete.

    Raises:
        ProviderUnavailable: names the file and what is wrong with it.
    """
    if not folder.is_dir():
        raise unusable(folder, "there is no such folder")
    find = _Finder(folder, prefer_int8=prefer_int8)
    if any(folder.glob("lm_flow*.onnx")):
        files = {part: find.one(name) for part, name in POCKET_PARTS.items()}
        return _examined(folder, "pocket", files)
    if any(folder.glob("*decoder*.onnx")):
        files = {
            "encoder": find.one("*encoder*.onnx"),
            "decoder": find.one("*decoder*.onnx"),
            "vocoder": find.one(*VOCODERS),
        }
        return _examined(folder, "zipvoice", files | find.tokens())
    if (voices := folder / "voices.bin").is_file():
        model = find.one("*.onnx")
        is_kitten = _header(model).metadata.get("model_type") == "kitten-tts"
        kind: Kind = "kitten" if is_kitten else "kokoro"
        files = {"model": model, "voices": voices}
        return _examined(folder, kind, files | find.tokens())
    if any(found for name in VOCODERS for found in folder.glob(name)):
        files = {
            "acoustic_model": find.one("*.onnx", but=VOCODERS),
            "vocoder": find.one(*VOCODERS),
        }
        return _examined(folder, "matcha", files | find.tokens())
    return _examined(folder, "vits", {"model": find.one("*.onnx")} | find.tokens())


def unusable(path: Path, reason: str, hint: str = DOWNLOAD_HINT) -> ProviderUnavailable:
    """The error for a file or folder that cannot be used."""
    return ProviderUnavailable(f"sherpa: {path} cannot be used: {reason}", hint=hint)


@attrs.frozen
class _Finder:
    folder: Path
    prefer_int8: bool = attrs.field(kw_only=True)

    def one(self, *patterns: str, but: tuple[str, ...] = ()) -> Path:
        """The one file that fits; of several, int8 or full precision as preferred."""
        others = {path for pattern in but for path in self.folder.glob(pattern)}
        fitting = {path for pattern in patterns for path in self.folder.glob(pattern)}
        found = sorted(fitting - others)
        if not found:
            raise unusable(self.folder, f"it holds no {' or '.join(patterns)}")
        preferred = [p for p in found if (".int8." in p.name) == self.prefer_int8]
        chosen = preferred or found
        if len(chosen) > 1:
            names = ", ".join(path.name for path in chosen)
            raise unusable(
                self.folder, f"it holds several models, keep one of: {names}"
            )
        return chosen[0]

    def tokens(self) -> dict[str, Path]:
        path = self.folder / "tokens.txt"
        if not path.is_file():
            hint = f"{DOWNLOAD_HINT} Also, {PIPER_HINT}"
            raise unusable(self.folder, "it holds no tokens.txt", hint)
        return {"tokens": path}


def _examined(folder: Path, kind: Kind, files: dict[str, Path]) -> VoiceFolder:
    headers = {
        part: _header(path) for part, path in files.items() if path.suffix == ".onnx"
    }
    main = next(p for p in ("model", "acoustic_model", "decoder") if p in headers)
    metadata = headers[main].metadata
    _check_metadata(files[main], kind, metadata)
    if "voices" in files:
        _check_styles(files["voices"], kind, metadata)
    lexicons = tuple(sorted(folder.glob("lexicon*.txt")))
    if "tokens" in files:
        _check_tokens(files["tokens"], is_piper="piper" in metadata.get("comment", ""))
    return VoiceFolder(folder, kind, files, metadata, lexicons)


def _header(path: Path) -> OnnxHeader:
    try:
        return read_header(path)
    except NotOnnx as error:
        raise unusable(path, f"not a whole ONNX file, {error}") from error
    except OSError as error:
        raise unusable(path, error.strerror or str(error)) from error


def _check_metadata(path: Path, kind: Kind, metadata: dict[str, str]) -> None:
    missing = [key for key in NEEDED.get(kind, ()) if key not in metadata]
    if missing:
        reason = f"its metadata lacks {', '.join(missing)}: not sherpa-onnx's export"
        raise unusable(path, reason, f"{DOWNLOAD_HINT} Also, {PIPER_HINT}")
    rate = metadata.get("sample_rate", str(HIGHEST_RATE_HZ))
    if not rate.isdecimal() or not LOWEST_RATE_HZ <= int(rate) <= HIGHEST_RATE_HZ:
        raise unusable(path, f'its metadata has sample_rate = "{rate}"')
    speakers = metadata.get("n_speakers", "1")
    if not speakers.isdecimal():
        raise unusable(path, f'its metadata has n_speakers = "{speakers}"')


def _check_styles(path: Path, kind: Kind, metadata: dict[str, str]) -> None:
    """The styles of all speakers lie in a row in voices.bin, as floats."""
    text = metadata["style_dim"]
    sizes = [size.strip() for size in text.split(",")]
    dimensions = 2 if kind == "kitten" else 3
    if len(sizes) != dimensions or not all(size.isdecimal() for size in sizes):
        raise unusable(path, f'the model has style_dim = "{text}"')
    floats = math.prod(int(size) for size in sizes) * int(metadata["n_speakers"])
    if path.stat().st_size != floats * FLOAT_BYTES:
        reason = (
            f"it has {path.stat().st_size} bytes, the model's {metadata['n_speakers']}"
            f" speakers take {floats * FLOAT_BYTES}: it belongs to another model"
        )
        raise unusable(path, reason)


def _check_tokens(path: Path, *, is_piper: bool) -> None:
    try:
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise unusable(path, "it is not UTF-8 text") from error
    symbols: set[str] = set()
    for number, line in enumerate(lines, 1):
        index = line.split()[-1] if line.strip() else ""
        # The symbol itself may be a space.
        symbol = line.rstrip()[: -len(index) - 1]
        if not index.isdecimal() or not symbol:
            shown = line[:_SHOWN_CHARS]
            raise unusable(path, f'line {number} is not "symbol number": {shown!r}')
        if symbol in symbols:
            raise unusable(path, f"line {number} has {symbol[:_SHOWN_CHARS]!r} again")
        symbols.add(symbol)
    if is_piper and (missing := {"_", "^", "$"} - symbols):
        raise unusable(
            path, f"it lacks {' '.join(sorted(missing))}: not a Piper voice's"
        )
