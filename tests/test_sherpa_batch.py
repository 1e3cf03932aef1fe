"""Several speakers at once: real sherpa-onnx decodes their streams in one batch.

What happens in the middle of a round is done there, from the worker thread, so that
no test depends on who is faster.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from providers.asr import sherpa
from providers.asr.sherpa_batch import PIECE_SAMPLES
from tests.contract.asr_contract import transcribe
from tests.helpers_speech import TINY_MODEL, frames, say
from tests.leaks import no_tasks_left
from trioagent.errors import ProviderError
from trioagent.offload import InlineOffload, ThreadOffload

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock

    from trioagent.interfaces import Pcm

SENTENCES = [
    "turn off the fan in the kitchen",
    "what is the weather like in paris tomorrow",
    "what time is it in tokyo",
    "tell me a story about alice",
    "book a flight to berlin on monday",
    "the meeting with carol is friday at ten",
    "set a timer for five minutes",
    "i do not like coffee",
]
SIXTEEN = [
    *SENTENCES,
    "turn off the radio in the bedroom",
    "is it warm today",
    "good morning",
    "thank you very much",
    "what day is it",
    "where is alice",
    "i live in madrid",
    "set a timer",
]


class WatchedEngine(sherpa.Engine):
    """Notes which streams are in each round and batch; runs what a test plants."""

    def __init__(self) -> None:
        self.rounds: list[list[object]] = []
        self.batches: list[int] = []
        self.planted: dict[int, Callable[[], object]] = {}
        super().__init__(sherpa.Options(model=str(TINY_MODEL)))
        # What the model was warmed up with is no speaker's.
        self.rounds, self.batches = [], []

    def decode(self, streams: list[Any]) -> None:
        assert len(set(streams)) == len(streams)
        self.rounds.append(streams)
        self.planted.pop(len(self.rounds), lambda: None)()
        super().decode(streams)

    def _decode_ready(self, streams: list[Any]) -> None:
        self.batches.append(len(streams))
        super()._decode_ready(streams)

    def rounds_with(self, stream: object) -> list[int]:
        """Return the numbers, from 1, of the rounds that the stream was in."""
        return [n for n, streams in enumerate(self.rounds, 1) if stream in streams]


@pytest.fixture
def engine() -> WatchedEngine:
    return WatchedEngine()


@pytest.fixture
def offload() -> ThreadOffload:
    return ThreadOffload()


@pytest.fixture
def recognizer(
    engine: WatchedEngine, offload: ThreadOffload
) -> sherpa.SherpaRecognizer:
    return sherpa.SherpaRecognizer(engine, offload)


def rounds_of(samples: int) -> int:
    return math.ceil(samples / PIECE_SAMPLES)


def native(stream: sherpa.SherpaStream) -> object:
    """The stream of sherpa-onnx itself."""
    assert stream._utterance is not None
    return stream._utterance.stream


async def test_sixteen_speakers_at_once_get_each_their_own_words(
    recognizer: sherpa.SherpaRecognizer, offload: ThreadOffload
) -> None:
    heard: dict[str, str] = {}

    async def speak(sentence: str) -> None:
        partials = [""]
        async with recognizer.stream() as stream:
            for frame in frames(np.append(say(sentence), np.zeros(320, "i2")), 320):
                partials.append(await stream.feed(frame))
                assert partials[-1].startswith(partials[-2])
                assert sentence.startswith(partials[-1])
            heard[sentence] = await stream.finish()

    async with no_tasks_left(), trio.open_nursery() as nursery:
        for sentence in SIXTEEN:
            nursery.start_soon(speak, sentence)
    assert heard == {sentence: sentence for sentence in SIXTEEN}
    assert not offload.busy


async def test_what_is_ready_together_is_decoded_in_one_batch(
    engine: WatchedEngine, autojump_clock: MockClock
) -> None:
    """Inline, so that all eight are there before the first round."""
    recognizer = sherpa.SherpaRecognizer(engine, InlineOffload(0.01))
    heard: dict[str, str] = {}

    async def speak(sentence: str) -> None:
        heard[sentence] = await transcribe(recognizer, say(sentence))

    async with trio.open_nursery() as nursery:
        for sentence in SENTENCES:
            nursery.start_soon(speak, sentence)
    assert heard == {sentence: sentence for sentence in SENTENCES}
    shortest = min(len(say(sentence)) for sentence in SENTENCES)
    # A part of the model is 160 ms, a piece 100 ms.
    assert engine.batches.count(8) >= shortest // PIECE_SAMPLES // 2
    assert sum(engine.batches) > 4 * len(engine.batches)


async def test_a_long_feed_does_not_hold_up_who_finishes(
    recognizer: sherpa.SherpaRecognizer, engine: WatchedEngine, offload: ThreadOffload
) -> None:
    """200 sentences of somebody else are at work: a finish waits for one round."""
    long = np.tile(say(SENTENCES[1]), 200)
    begin = trio.Event()

    def in_the_middle() -> None:
        trio.from_thread.run_sync(begin.set)
        trio.from_thread.run(wait_all_tasks_blocked)

    async with recognizer.stream() as talker, recognizer.stream() as stream:
        await stream.feed(say(SENTENCES[0]))
        fed, short = len(engine.rounds), native(stream)
        engine.planted[fed + 7] = in_the_middle
        async with trio.open_nursery() as nursery:
            nursery.start_soon(talker.feed, long)
            await begin.wait()
            assert await stream.finish() == SENTENCES[0]
            nursery.cancel_scope.cancel()
        with trio.fail_after(5):
            await offload.drain()
        finishing = [number for number in engine.rounds_with(short) if number > fed]
        assert finishing == list(
            range(fed + 8, fed + 8 + rounds_of(len(engine.right_pad)))
        )
        assert all(len(engine.rounds[number - 1]) == 2 for number in finishing)
        assert len(engine.rounds) < rounds_of(len(long)) / 2


@pytest.mark.parametrize("cancelled", range(4))
async def test_cancelling_one_in_mid_feed_leaves_the_others_exact(
    recognizer: sherpa.SherpaRecognizer,
    engine: WatchedEngine,
    offload: ThreadOffload,
    cancelled: int,
) -> None:
    """Who leads, whose thread it is that works for all, is among them."""
    scopes = [trio.CancelScope() for _ in range(4)]
    heard: dict[int, str] = {}
    came: list[tuple[int, sherpa.SherpaStream]] = []

    async def speak(number: int) -> None:
        with scopes[number]:
            async with recognizer.stream() as stream:
                came.append((number, stream))
                await stream.feed(say(SENTENCES[number]))
                heard[number] = await stream.finish()

    gone: dict[int, object] = {}

    def all_are_there() -> None:
        trio.from_thread.run(wait_all_tasks_blocked)

    def in_the_middle() -> None:
        number, stream = came[cancelled]
        gone[number] = native(stream)
        trio.from_thread.run_sync(scopes[number].cancel)
        # In the thread of who is cancelled, the round ends here.
        trio.from_thread.run(wait_all_tasks_blocked)

    engine.planted = {1: all_are_there, 9: in_the_middle}
    async with no_tasks_left(), trio.open_nursery() as nursery:
        for number in range(4):
            nursery.start_soon(speak, number)
    with trio.fail_after(5):
        await offload.drain()
    (number,) = gone
    assert scopes[number].cancelled_caught
    assert heard == {n: SENTENCES[n] for n in range(4) if n != number}
    assert engine.rounds_with(gone[number])[-1] == 9


async def test_two_tasks_that_feed_one_utterance_take_turns(
    recognizer: sherpa.SherpaRecognizer,
) -> None:
    pcm = say(SENTENCES[0])
    async with recognizer.stream() as stream:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stream.feed, pcm)
            nursery.start_soon(stream.feed, pcm)
        text = await stream.finish()
    assert text.count("fan in the kitchen") == 2


async def test_an_error_goes_to_everybody_in_the_round(
    engine: WatchedEngine, autojump_clock: MockClock
) -> None:
    recognizer = sherpa.SherpaRecognizer(engine, InlineOffload(0.01))
    failed: list[str] = []

    def fail() -> None:
        raise RuntimeError("out of memory")

    async def speak(pcm: Pcm) -> None:
        with pytest.raises(ProviderError, match="out of memory"):
            await transcribe(recognizer, pcm)
        failed.append("so")

    engine.planted[5] = fail
    async with trio.open_nursery() as nursery:
        for sentence in SENTENCES[:3]:
            nursery.start_soon(speak, say(sentence))
    assert len(failed) == 3
    assert len(engine.rounds) == 5
    assert await transcribe(recognizer, say(SENTENCES[3])) == SENTENCES[3]
