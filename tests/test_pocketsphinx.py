"""pocketsphinx in its child processes, with the English model of its wheel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from providers.asr import pocketsphinx
from providers.asr.pocketsphinx_child import start_child
from providers.asr.pocketsphinx_worker import FEED
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import (
    SMALL_MODEL_SENTENCES,
    recording,
    say,
    small_language_model,
    word_errors,
    words,
)
from trioagent.errors import ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from trioagent.interfaces import Recognizer

WEATHER = "what is the weather like in toronto"


@pytest.fixture
def options(tmp_path: Path) -> pocketsphinx.Options:
    """With the model of the wheel, each test would take seconds."""
    language_model, dictionary = map(str, small_language_model(tmp_path))
    return pocketsphinx.Options(language_model=language_model, dictionary=dictionary)


@pytest.fixture
async def recognizer(options: pocketsphinx.Options) -> AsyncGenerator[Recognizer]:
    async with pocketsphinx.PROVIDER.open(options) as recognizer:
        yield recognizer


@pytest.fixture
async def english() -> AsyncGenerator[Recognizer]:
    """The recognizer as it is without a configuration."""
    async with pocketsphinx.PROVIDER.open(pocketsphinx.Options()) as recognizer:
        yield recognizer


async def test_commands_of_people_at_close_microphones(english: Recognizer) -> None:
    """Short, clear ones, all understood when this was written."""
    wrong = total = 0
    for name in (
        "hound_what_is_the_weather_like_in_toronto.wav",
        "gas_what_time_is_it.wav",
        "ps_goforward.wav",
        "ms_whats_the_weather_like.wav",
    ):
        found = recording(name)
        wrong += word_errors(found.text, await transcribe(english, found.pcm))
        total += len(words(found.text))
    assert total == 19
    assert wrong / total < 0.25


async def test_the_mean_of_the_last_speaker_is_kept(recognizer: Recognizer) -> None:
    """Microphones differ; a new process need not learn the room's anew."""
    assert recognizer._settings()["mean"] == pocketsphinx.SEED_MEAN
    await transcribe(recognizer, np.concatenate([say(WEATHER)] * 3))
    learnt = recognizer._settings()["mean"]
    assert learnt != pocketsphinx.SEED_MEAN
    child = await start_child({"mean": learnt})
    reply = await child.ask(FEED, 1, b"")
    await child.end()
    means = [[float(x) for x in text.split(",")] for text in (reply["mean"], learnt)]
    assert means[0] == pytest.approx(means[1], rel=1e-3, abs=1e-3)


@pytest.mark.parametrize("sentence", SMALL_MODEL_SENTENCES)
async def test_a_language_model_of_ones_own(
    recognizer: Recognizer, sentence: str
) -> None:
    assert await transcribe(recognizer, say(sentence)) == sentence


async def test_a_language_model_that_is_none(tmp_path: Path) -> None:
    options = pocketsphinx.Options(language_model=str(tmp_path / "none.arpa"))
    with pytest.raises(ProviderUnavailable, match=r"none\.arpa does not exist"):
        async with pocketsphinx.PROVIDER.open(options):
            pass
    broken = tmp_path / "broken.arpa"
    broken.write_text("no model")
    options = pocketsphinx.Options(language_model=str(broken))
    with pytest.raises(ProviderUnavailable, match="pocketsphinx: ") as caught:
        async with pocketsphinx.PROVIDER.open(options):
            pass
    assert "language_model" in caught.value.hint


async def test_the_event_loop_runs_while_it_decodes(english: Recognizer) -> None:
    """In this process, the second pass would stop everything for 100 ms."""
    found = recording("ps_goforward.wav")
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await trio.sleep(0.001)
            ticks += 1

    async with english.stream() as stream, trio.open_nursery() as nursery:
        await stream.feed(found.pcm)
        nursery.start_soon(tick)
        assert await stream.finish() == found.text
        nursery.cancel_scope.cancel()
    assert ticks > 3
