"""Hot words: heard where they were not, spelt as the model spells, or refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from providers.asr import sherpa
from tests.contract.asr_contract import transcribe
from tests.helpers_sherpa import tiny_ctc
from tests.helpers_speech import TINY_MODEL, say, words
from tests.helpers_tones import tone_ctc, tone_transducer
from tests.test_sherpa import SENTENCES
from tests.test_sherpa_kinds import opened, refusal
from trioagent.configuration.structuring import structure_options
from trioagent.errors import ConfigError, ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ, Pcm

if TYPE_CHECKING:
    from pathlib import Path


def tone(hz: float) -> Pcm:
    at = np.arange(HEARING_RATE_HZ // 3) * (2 * math.pi / HEARING_RATE_HZ)
    return (np.sin(at * hz) * 10_000).astype(np.int16)


async def test_a_hot_word_is_heard_where_it_was_not(tmp_path: Path) -> None:
    model = tone_transducer(tmp_path / "model")
    between = tone(1740)
    assert await transcribe(opened(model), between) == ""
    # In the model's case, whatever the user's is.
    boosted = opened(model, hotwords=("High",), hotwords_score=5.0)
    assert words(await transcribe(boosted, between))[0] == "high"


async def test_hot_words_of_nemotron() -> None:
    model = opened(TINY_MODEL, hotwords=("alice", "a flight to berlin"))
    for sentence in SENTENCES:
        assert await transcribe(model, say(sentence)) == sentence
    noise = np.random.default_rng(0).normal(0, 1500, len(say(SENTENCES[0])))
    muddy = (say(SENTENCES[0]) * 0.3 + noise).astype(np.int16)
    plain = await transcribe(opened(TINY_MODEL), muddy)
    hot = opened(TINY_MODEL, hotwords=("rome",), hotwords_score=15.0)
    assert "rome" not in words(plain)
    assert "rome" in words(await transcribe(hot, muddy))


def test_hot_words_of_a_model_that_writes_ideographs(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = tone_transducer(tmp_path / "model")
    symbols = ["<blk>", *"深低中高", "\u2581top"]
    lines = [f"{symbol} {index}\n" for index, symbol in enumerate(symbols)]
    (model / "tokens.txt").write_text("".join(lines), encoding="utf-8")
    opened(model, hotwords=("高低", "中TOP"))
    (model / "tokens.txt").write_text(
        "".join(lines).replace("\u2581top", "顶"), "utf-8"
    )
    opened(model, hotwords=("高低顶",))
    assert "Cannot find ID" not in capfd.readouterr().err
    with pytest.raises(ProviderUnavailable, match='cannot write the hot word "高山"'):
        opened(model, hotwords=("高山",))


@pytest.mark.parametrize("make", [tiny_ctc, tone_ctc])
async def test_ctc_refuses_hot_words(tmp_path: Path, make: object) -> None:
    assert callable(make)
    error = await refusal(make(tmp_path / "model"), hotwords=("alice",))
    assert "cannot take hot words" in error.message
    assert "transducer" in error.hint


def test_every_hot_word_is_found_among_the_tokens(
    capfd: pytest.CaptureFixture[str],
) -> None:
    """Also "alice" and "berlin", which begin like "a" and "be"."""
    opened(TINY_MODEL, hotwords=("alice", "a flight to berlin", "bedroom"))
    assert "Cannot find ID" not in capfd.readouterr().err


async def test_a_hot_word_that_the_model_cannot_write() -> None:
    error = await refusal(TINY_MODEL, hotwords=("alice", "the xylophone"))
    assert "tokens.txt" in error.hint
    assert error.message.endswith('cannot write the hot word "xylophone"')


def test_no_file_of_the_hot_words_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    opened(TINY_MODEL, hotwords=("alice",))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("word", ["", "  ", ":2.5", "two\nlines", "@name"])
def test_what_is_no_hot_word(word: str) -> None:
    with pytest.raises(ConfigError, match="hotwords"):
        structure_options(sherpa.Options, {"hotwords": [word]}, "asr.sherpa")
