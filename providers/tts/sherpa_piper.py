"""Makes a voice as Piper publishes it fit for sherpa-onnx.

`python -m providers.tts.sherpa_piper VOICE.onnx FOLDER` reads VOICE.onnx and
VOICE.onnx.json and writes a folder for `[tts.sherpa] model`: the same network with what
sherpa-onnx wants to know of it in its metadata, and tokens.txt.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from providers.onnx_header import (
    ENTRY_KEY,
    ENTRY_VALUE,
    LENGTH_DELIMITED,
    MODEL_METADATA,
    NotOnnx,
    read_header,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


# OverflowError: JSON as Python reads it has an infinity.
_WRONG = (LookupError, TypeError, ValueError, AttributeError, OverflowError)


class NotPiper(Exception):
    """The files are no Piper voice that sherpa-onnx can speak with."""


def convert(onnx: Path, folder: Path) -> None:
    """Write `folder` from `onnx` and the .json beside it.

    Raises:
        NotPiper: says what is wrong with which file.
        OSError: a file cannot be read or written.
    """
    settings_path = onnx.with_name(onnx.name + ".json")
    settings = _read_settings(settings_path)
    try:
        read_header(onnx)
    except NotOnnx as error:
        raise NotPiper(f"{onnx} is not a whole ONNX file: {error}") from error
    try:
        # Encoded here: JSON may hold half a surrogate pair, which is no text.
        tokens = _tokens(settings["phoneme_id_map"]).encode()
        entries = {k: text.encode() for k, text in _metadata(settings).items()}
    except _WRONG as error:
        raise NotPiper(f"{settings_path} lacks something: {error!r}") from error
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / onnx.name
    shutil.copyfile(onnx, model)
    # Entries may stand anywhere in a protobuf message, so also behind all others.
    with model.open("ab") as file:
        for key, value in entries.items():
            pair = _field(ENTRY_KEY, key.encode()) + _field(ENTRY_VALUE, value)
            file.write(_field(MODEL_METADATA, pair))
    (folder / "tokens.txt").write_bytes(tokens)


def _read_settings(path: Path) -> dict[str, Any]:
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise NotPiper(f"{path} is no JSON: {error}") from error
    if not isinstance(settings, dict):
        raise NotPiper(f"{path} is not a Piper voice's")
    if settings.get("phoneme_type", "espeak") != "espeak":
        raise NotPiper(f"{path}: its voice does not speak espeak-ng's phonemes")
    return settings


def _tokens(ids: dict[str, list[int]]) -> str:
    # A symbol of several characters is none that espeak-ng's phonemes have.
    lines = [f"{symbol} {numbers[0]}" for symbol, numbers in ids.items()]
    return "".join(
        f"{line}\n" for line, symbol in zip(lines, ids, strict=True) if len(symbol) == 1
    )


def _metadata(settings: dict[str, Any]) -> dict[str, str]:
    names = sorted(settings.get("speaker_id_map", {}).items(), key=lambda item: item[1])
    language = settings.get("language", {})
    return {
        "model_type": "vits",
        "comment": "piper",
        "language": str(language.get("name_english", settings["espeak"]["voice"])),
        "voice": str(settings["espeak"]["voice"]),
        "has_espeak": "1",
        "n_speakers": str(int(settings["num_speakers"])),
        "speaker_names": ",".join(name.replace(",", " ") for name, _ in names),
        "sample_rate": str(int(settings["audio"]["sample_rate"])),
    }


def _field(number: int, content: bytes) -> bytes:
    return _varint(number * 8 + LENGTH_DELIMITED) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    found = bytearray()
    while value > 0x7F:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*found, value])


def main(arguments: Sequence[str] | None = None) -> int:
    """Convert what the command line says; 1 if it cannot be done."""
    parser = argparse.ArgumentParser(description="Make a Piper voice fit sherpa-onnx.")
    parser.add_argument(
        "voice", type=Path, help="VOICE.onnx, VOICE.onnx.json beside it"
    )
    parser.add_argument("folder", type=Path, help="where to write")
    given = parser.parse_args(arguments)
    try:
        convert(given.voice, given.folder)
    except (NotPiper, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
