"""The texts that sherpa-onnx gives: all characters arrive, and none of it is kept."""

from __future__ import annotations

import gc
import shutil
import sys
from typing import TYPE_CHECKING

import pytest

from providers.asr import sherpa
from tests.helpers_speech import TINY_MODEL, say

if TYPE_CHECKING:
    from pathlib import Path

SENTENCE = "what time is it in tokyo"


def heard(engine: sherpa.Engine) -> object:
    """A stream that has heard and decoded a sentence."""
    stream = engine.start()
    engine.accept(stream, say(SENTENCE))
    engine.accept(stream, engine.right_pad)
    engine.decode([stream])
    return stream


def test_hypotheses_are_freed() -> None:
    """sherpa-onnx's own way to ask for one keeps each for ever."""
    engine = sherpa.Engine(sherpa.Options(model=str(TINY_MODEL)))
    stream = heard(engine)
    for _ in range(100):
        assert engine.text(stream) == SENTENCE
    gc.collect()
    before = sys.getallocatedblocks()
    for _ in range(1000):
        engine.text(stream)
    gc.collect()
    assert sys.getallocatedblocks() - before < 500


@pytest.mark.parametrize("word", ['w"h\\at', "日本é", "a\x01b", "a/\x7fb"])
def test_hypotheses_may_have_any_characters(word: str, tmp_path: Path) -> None:
    shutil.copytree(TINY_MODEL, tmp_path, dirs_exist_ok=True)
    tokens = tmp_path / "tokens.txt"
    known = tokens.read_text(encoding="utf-8")
    assert "▁time " in known
    tokens.write_text(known.replace("▁time ", f"▁{word} "), encoding="utf-8")
    engine = sherpa.Engine(sherpa.Options(model=str(tmp_path)))
    assert engine.text(heard(engine)) == SENTENCE.replace("time", word)


@pytest.mark.parametrize(
    ("result", "text"),
    [
        # A character that is several tokens, of which the first has come.
        (b'{"text": " some ", "tokens": ["some", "\xe6"]}', "some"),
        # Then the library is asked in the other way.
        (b'{"text": "some", "ys_probs": [nan]}', SENTENCE),
    ],
)
def test_a_text_is_found_beside_what_is_broken(
    result: bytes, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = sherpa.Engine(sherpa.Options(model=str(TINY_MODEL)))
    stream = heard(engine)
    monkeypatch.setattr(
        type(engine._recognizer),
        "get_result_as_json_string",
        lambda _recognizer, _stream: result.decode(),
    )
    assert engine.text(stream) == text
