"""sherpa-onnx with a real, tiny model: 206 words, in Nemotron's format.

The model was trained on what espeak-ng says, so espeak-ng speaks here.
"""

from __future__ import annotations

import logging
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from providers.asr import sherpa
from providers.asr.sherpa_batch import PIECE_SAMPLES
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import TINY_MODEL, frames, recordings, say, silence
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.offload import InlineOffload, ThreadOffload

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trio.testing import MockClock

    from trioagent.interfaces import Recognizer

SENTENCES = [
    "turn off the fan in the kitchen",
    "what is the weather like in paris tomorrow",
    "what time is it in tokyo",
    "turn off the radio in the bedroom",
    "tell me a story about alice",
    "book a flight to berlin on monday",
    "the meeting with carol is friday at ten",
    "set a timer for five minutes",
    "i do not like coffee",
    "is it warm today",
]


@pytest.fixture
async def recognizer() -> AsyncGenerator[Recognizer]:
    async with sherpa.PROVIDER.open(
        sherpa.Options(model=str(TINY_MODEL))
    ) as recognizer:
        yield recognizer


@pytest.mark.parametrize("sentence", SENTENCES)
async def test_every_word_of_a_sentence_cut_out_sharply(
    recognizer: Recognizer, sentence: str
) -> None:
    """No silence around it: the provider pads the start and the end itself."""
    pcm = say(sentence)
    loud = np.flatnonzero(np.abs(pcm) > 100)
    assert await transcribe(recognizer, pcm[loud[0] : loud[-1]]) == sentence


@pytest.mark.parametrize("samples", [37, 160, 512, 1599, 1601, 100_000])
async def test_any_split_of_the_audio_gives_the_same_text(
    recognizer: Recognizer, samples: int
) -> None:
    pcm = say("set a timer")
    async with recognizer.stream() as stream:
        for start in range(0, len(pcm), samples):
            await stream.feed(pcm[start : start + samples])
        assert await stream.finish() == "set a timer"


async def test_partials_are_prefixes_that_grow(recognizer: Recognizer) -> None:
    pcm = np.concatenate([say(SENTENCES[0]), silence(0.5)])
    async with recognizer.stream() as stream:
        partials = [await stream.feed(frame) for frame in frames(pcm, 320)]
        final = await stream.finish()
    for earlier, later in pairwise([*partials, final]):
        assert later.startswith(earlier)
    assert len(set(partials)) > 4
    assert final == SENTENCES[0]


class CountingEngine(sherpa.Engine):
    """Counts the rounds, each of a piece per stream."""

    pieces = 0

    def decode(self, streams: list[object]) -> None:
        self.pieces += 1
        super().decode(streams)


class WatchedEngine(sherpa.Engine):
    """Notes whether a part of the audio was ready to be decoded."""

    was_ready = False

    def decode(self, streams: list[object]) -> None:
        self.was_ready = self._recognizer.is_ready(streams[0])
        super().decode(streams)


class FailingEngine(sherpa.Engine):
    """Fails as onnxruntime does, when told to."""

    fails = False

    def _decode_ready(self, streams: list[object]) -> None:
        if self.fails:
            raise RuntimeError("out of memory")
        super()._decode_ready(streams)


async def frames_until_decoded(left_pad_ms: int) -> int:
    """How many 20 ms frames must come before the first part is decoded."""
    options = sherpa.Options(model=str(TINY_MODEL), left_pad_ms=left_pad_ms)
    engine = WatchedEngine(options)
    recognizer = sherpa.SherpaRecognizer(engine, ThreadOffload())
    async with recognizer.stream() as stream:
        for count in range(1, 100):
            await stream.feed(np.zeros(320, np.int16))
            if engine.was_ready:
                return count
    raise AssertionError("nothing was decoded")


async def test_silence_stands_before_each_utterance() -> None:
    """Streaming models need it: their first frames are only context."""
    without, padded = await frames_until_decoded(0), await frames_until_decoded(300)
    # A part of 160 ms needs 250 ms of features.
    assert without >= 13
    assert padded == 1


async def test_cancelling_a_long_feed_frees_the_worker() -> None:
    engine = CountingEngine(sherpa.Options(model=str(TINY_MODEL)))
    offload = ThreadOffload()
    recognizer = sherpa.SherpaRecognizer(engine, offload)
    long = np.tile(say(SENTENCES[0]), 200)
    all_pieces = len(long) // PIECE_SAMPLES
    before = engine.pieces
    async with recognizer.stream() as stream, trio.open_nursery() as nursery:
        nursery.start_soon(stream.feed, long)
        while engine.pieces < before + 5:  # noqa: ASYNC110 - a thread counts, no event
            await trio.sleep(0.001)
        assert offload.busy
        nursery.cancel_scope.cancel()
    with trio.fail_after(5):
        await offload.drain()
    assert engine.pieces - before < all_pieces / 2
    assert await transcribe(recognizer, say(SENTENCES[0])) == SENTENCES[0]


async def test_runs_inline_where_the_clock_is_virtual(
    autojump_clock: MockClock,
) -> None:
    engine = sherpa.Engine(sherpa.Options(model=str(TINY_MODEL)))
    recognizer = sherpa.SherpaRecognizer(engine, InlineOffload(0.01))
    began = trio.current_time()
    assert await transcribe(recognizer, say(SENTENCES[0])) == SENTENCES[0]
    assert trio.current_time() - began == pytest.approx(0.02)


async def test_what_onnxruntime_raises_is_translated() -> None:
    engine = FailingEngine(sherpa.Options(model=str(TINY_MODEL)))
    recognizer = sherpa.SherpaRecognizer(engine, ThreadOffload())
    engine.fails = True
    async with recognizer.stream() as stream:
        with pytest.raises(ProviderError, match="out of memory"):
            await stream.feed(silence(1))


async def test_people_do_no_harm(recognizer: Recognizer) -> None:
    """It does not know their words, but it must take any audio."""
    assert await transcribe(recognizer, silence(1)) == ""
    for recording in recordings():
        text = await transcribe(recognizer, recording.pcm)
        assert isinstance(text, str)


async def test_logs_what_it_loaded(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    async with sherpa.PROVIDER.open(sherpa.Options(model=str(TINY_MODEL))):
        pass
    assert "nemo, chunks of 160 ms" in caplog.text


def test_unavailable_without_a_model() -> None:
    assert sherpa.PROVIDER.unavailable(sherpa.Options(model=str(TINY_MODEL))) is None
    assert "no model" in sherpa.PROVIDER.unavailable(sherpa.Options())


async def test_opening_without_a_model_says_what_to_do() -> None:
    with pytest.raises(ProviderUnavailable, match="no model") as caught:
        async with sherpa.PROVIDER.open(sherpa.Options()):
            pass
    assert "docs/models.md" in caught.value.hint
