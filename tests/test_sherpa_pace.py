"""Audio is kept until the model can decode more with it: fewer calls, no word later."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from providers.asr import sherpa
from providers.asr.sherpa_engine import Pace
from tests.helpers_speech import TINY_MODEL, say
from trioagent.offload import InlineOffload

if TYPE_CHECKING:
    from providers.asr.sherpa_streams import SherpaStream
    from trioagent.interfaces import Pcm

CHUNK_SAMPLES = 2560
"""160 ms, of the model of the tests."""


class CountingEngine(sherpa.Engine):
    """Counts its calls."""

    calls = 0

    def decode(self, streams: list[object]) -> None:
        self.calls += 1
        super().decode(streams)


@pytest.fixture(scope="module")
def engine() -> CountingEngine:
    return CountingEngine(sherpa.Options(model=str(TINY_MODEL)))


async def heard(stream: SherpaStream, pcm: Pcm, samples: int) -> list[str]:
    """What it makes of each piece, and of all."""
    pieces = [pcm[at : at + samples] for at in range(0, len(pcm), samples)]
    return [*[await stream.feed(piece) for piece in pieces], await stream.finish()]


@pytest.mark.parametrize("samples", [40, 320, 960, 5000])
@pytest.mark.parametrize("left_pad_ms", [0, 300])
async def test_no_word_is_later_than_with_each_packet_decoded_at_once(
    samples: int, left_pad_ms: int
) -> None:
    options = sherpa.Options(model=str(TINY_MODEL), left_pad_ms=left_pad_ms)
    engine = sherpa.Engine(options)
    pcm = say("set a timer")
    recognizer = sherpa.SherpaRecognizer(engine, InlineOffload())
    async with recognizer.stream() as stream:
        kept = await heard(stream, pcm, samples)
    engine.pace = Pace()
    eager = sherpa.SherpaRecognizer(engine, InlineOffload())
    async with eager.stream() as stream:
        assert kept == await heard(stream, pcm, samples)
    assert kept[-1] == "set a timer"


async def test_the_worker_is_called_for_whole_chunks_only(
    engine: CountingEngine,
) -> None:
    recognizer = sherpa.SherpaRecognizer(engine, InlineOffload())
    pcm, before = say("set a timer"), engine.calls
    async with recognizer.stream() as stream:
        for at in range(0, len(pcm), 320):
            await stream.feed(pcm[at : at + 320])
    chunks = len(pcm) // CHUNK_SAMPLES
    # A call decodes at most 100 ms, so a chunk takes two; packets would be 8 of them.
    assert engine.calls - before <= 2 * chunks + 3


def test_the_pace_is_that_of_the_model(engine: CountingEngine) -> None:
    assert engine.pace.step == CHUNK_SAMPLES
    assert 0 < engine.pace.first <= CHUNK_SAMPLES


def test_what_is_due() -> None:
    pace = Pace(first=2040, step=2560)
    dues = [pace.due_after(n) for n in (0, 320, 2039, 2040, 4599, 4600, 10_000)]
    assert dues == [2040, 2040, 2040, 4600, 4600, 7160, 12_280]
    assert Pace().due_after(12_345) == 0


async def test_an_utterance_that_ends_within_a_chunk_is_decoded(
    engine: CountingEngine,
) -> None:
    recognizer = sherpa.SherpaRecognizer(engine, InlineOffload())
    pcm = say("stop")
    async with recognizer.stream() as stream:
        await heard(stream, pcm[:-100], 320)
    async with recognizer.stream() as stream:
        assert (await heard(stream, pcm, 320))[-1] == "stop"


async def test_keeping_gives_others_a_chance_to_run(engine: CountingEngine) -> None:
    recognizer = sherpa.SherpaRecognizer(engine, InlineOffload())
    async with recognizer.stream() as stream:
        await stream.feed(np.zeros(320, np.int16))
        with trio.CancelScope() as scope:
            scope.cancel()
            await stream.feed(np.zeros(320, np.int16))
        assert scope.cancelled_caught
