"""Hot words, as sherpa-onnx wants them: spelt like the model's tokens, in a file.

A word that it cannot write with the model's tokens it only logs, and for some settings
it ends the process. So each word is checked first.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

from trioagent.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from providers.asr.sherpa_model import SherpaModel

# SentencePiece's mark of the beginning of a word.
WORD_BEGINS = "\N{LOWER ONE EIGHTH BLOCK}"
FIRST_IDEOGRAPH = "\u3400"
NO_PIECE_SCORE = -1_000_000
NO_HOTWORDS_HINT = "Leave `hotwords` in [asr.sherpa] empty, or take a transducer."


def hotword_arguments(
    model: SherpaModel, words: Sequence[str], score: float, scratch: Path
) -> dict[str, Any]:
    """Return what the recognizer is opened with, having written files in `scratch`.

    Raises:
        ProviderUnavailable: the model takes none, or not these.
    """
    if not model.takes_hotwords:
        message = f"sherpa: {model.folder} ({model.family}) cannot take hot words"
        raise ProviderUnavailable(message, hint=NO_HOTWORDS_HINT)
    symbols = frozenset(model.symbols)
    unit = _modeling_unit(symbols)
    lines = [_in_the_models_case(phrase, model.symbols) for phrase in words]
    for word in " ".join(lines).split():
        if not _can_be_written(word, symbols, unit):
            message = f'sherpa: {model.folder} cannot write the hot word "{word}"'
            hint = "Its tokens.txt lacks a letter; change `hotwords`."
            raise ProviderUnavailable(message, hint=hint)
    file = scratch / "hotwords.txt"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    arguments = {
        "decoding_method": "modified_beam_search",
        "hotwords_file": str(file),
        "hotwords_score": score,
        "modeling_unit": unit,
    }
    if "bpe" in unit:
        arguments["bpe_vocab"] = str(_vocabulary(model, lines, scratch))
    return arguments


def _modeling_unit(symbols: frozenset[str]) -> str:
    """What sherpa-onnx calls the way a model's tokens make up words."""
    if not any(symbol.startswith(WORD_BEGINS) for symbol in symbols):
        return "cjkchar"
    single = any(len(one) == 1 and one >= FIRST_IDEOGRAPH for one in symbols)
    return "cjkchar+bpe" if single else "bpe"


def _in_the_models_case(phrase: str, symbols: Sequence[str]) -> str:
    letters = "".join(symbol for symbol in symbols if not symbol.startswith("<"))
    if not any(letter.islower() for letter in letters):
        return phrase.upper()
    if not any(letter.isupper() for letter in letters):
        return phrase.lower()
    return phrase


def _can_be_written(word: str, symbols: frozenset[str], unit: str) -> bool:
    """Whether symbols make up the word, cut up as sherpa-onnx does for this unit."""
    if unit == "bpe":
        return _in_a_row(WORD_BEGINS + word, symbols)
    parts = re.findall(r"[A-Za-z]+|.", word)
    return all(
        part in symbols
        or (unit == "cjkchar+bpe" and _in_a_row(WORD_BEGINS + part, symbols))
        for part in parts
    )


def _in_a_row(text: str, symbols: frozenset[str]) -> bool:
    longest = max(map(len, symbols))

    @functools.cache
    def from_here(start: int) -> bool:
        ends = range(start + 1, min(start + longest, len(text)) + 1)
        return start == len(text) or any(
            text[start:end] in symbols and from_here(end) for end in ends
        )

    return from_here(0)


def _vocabulary(model: SherpaModel, lines: Sequence[str], scratch: Path) -> Path:
    """SentencePiece's pieces and scores: the model's own, or made from its tokens.

    The score of a piece of byte pair encoding is minus its rank, and tokens.txt is in
    the order of the ranks.
    """
    own = model.folder / "bpe.vocab"
    if own.is_file():
        return own
    made = scratch / "bpe.vocab"
    pieces = [symbol for symbol in model.symbols if not symbol.startswith("<")]
    scores = {piece: -rank for rank, piece in enumerate(pieces)}
    # What is no piece at all would cost nothing, and be taken rather than a piece.
    for letter in "".join(lines):
        if not letter.isspace():
            scores.setdefault(letter, NO_PIECE_SCORE)
    entries = [f"{piece}\t{score}\n" for piece, score in scores.items()]
    made.write_text("".join(entries), encoding="utf-8")
    return made
