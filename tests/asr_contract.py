"""What every recognizer must do, whatever it understands.

A recognizer's test module gives two `Sample`s and runs each function of `CONTRACT`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import attrs
import numpy as np
import pytest
import trio

from tests.helpers_speech import frames, silence, words
from trioagent.interfaces import Pcm, Recognizer, RecognizerStream

FRAME_SAMPLES = 320


@attrs.frozen(eq=False)
class Sample:
    """Speech, and words of it that the recognizer is known to understand."""

    pcm: Pcm
    certain: frozenset[str]

    def is_heard_in(self, text: str) -> bool:
        return self.certain <= set(words(text))

    def is_apart_from(self, text: str) -> bool:
        return not self.certain & set(words(text))


Requirement = Callable[[Recognizer, Sample, Sample], Awaitable[None]]


async def transcribe(recognizer: Recognizer, pcm: Pcm) -> str:
    async with recognizer.stream() as stream:
        await stream.feed(pcm)
        return await stream.finish()


async def understands_and_shows_partials(
    recognizer: Recognizer, one: Sample, _other: Sample
) -> None:
    async with recognizer.stream() as stream:
        pieces = frames(one.pcm, FRAME_SAMPLES)
        partials = [await stream.feed(piece) for piece in pieces]
        final = await stream.finish()
    assert one.is_heard_in(final)
    assert final == final.strip()
    assert partials[0] == ""
    counts = {len(words(partial)) for partial in partials}
    assert len(counts) > 2, "the hypothesis grows while somebody speaks"


async def hears_nothing_in_nothing(
    recognizer: Recognizer, _one: Sample, _other: Sample
) -> None:
    async with recognizer.stream() as stream:
        assert await stream.finish() == ""
    async with recognizer.stream() as stream:
        assert await stream.feed(silence(0)) == ""
        assert await stream.feed(silence(0.005)) == ""
        assert await stream.finish() == ""


async def repeats_the_hypothesis_without_new_audio(
    recognizer: Recognizer, one: Sample, _other: Sample
) -> None:
    async with recognizer.stream() as stream:
        heard = await stream.feed(one.pcm)
        assert heard
        assert await stream.feed(silence(0)) == heard


async def takes_one_feed_of_all(
    recognizer: Recognizer, one: Sample, _other: Sample
) -> None:
    assert one.is_heard_in(await transcribe(recognizer, one.pcm))


async def refuses_audio_after_the_end(
    recognizer: Recognizer, one: Sample, _other: Sample
) -> None:
    async with recognizer.stream() as stream:
        await stream.feed(one.pcm)
        await stream.finish()
        with pytest.raises(RuntimeError, match="finished"):
            await stream.feed(one.pcm)
        with pytest.raises(RuntimeError, match="finished"):
            await stream.finish()


async def keeps_two_speakers_apart(
    recognizer: Recognizer, one: Sample, other: Sample
) -> None:
    async with recognizer.stream() as first, recognizer.stream() as second:
        turns = [frames(sample.pcm, FRAME_SAMPLES) for sample in (one, other)]
        for number in range(max(map(len, turns))):
            for stream, pieces in zip((first, second), turns, strict=True):
                if number < len(pieces):
                    await stream.feed(pieces[number])
        texts = await first.finish(), await second.finish()
    assert one.is_heard_in(texts[0])
    assert other.is_apart_from(texts[0])
    assert other.is_heard_in(texts[1])
    assert one.is_apart_from(texts[1])


async def serves_tasks_at_once(
    recognizer: Recognizer, one: Sample, other: Sample
) -> None:
    async def speaker(sample: Sample, another: Sample) -> None:
        text = await transcribe(recognizer, sample.pcm)
        assert sample.is_heard_in(text)
        assert another.is_apart_from(text)

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            for sample, another in [(one, other), (other, one)] * 2:
                nursery.start_soon(speaker, sample, another)


async def forgets_a_cancelled_utterance(
    recognizer: Recognizer, one: Sample, other: Sample
) -> None:
    async def talk(stream: RecognizerStream) -> None:
        while True:
            await stream.feed(one.pcm)

    for _ in range(3):
        with trio.move_on_after(0.1) as scope:
            async with recognizer.stream() as stream:
                await talk(stream)
        assert scope.cancelled_caught
        with trio.fail_after(10):
            text = await transcribe(recognizer, other.pcm)
        assert other.is_heard_in(text)
        assert one.is_apart_from(text)


async def serves_others_when_one_is_cancelled(
    recognizer: Recognizer, one: Sample, other: Sample
) -> None:
    async def babble(scope: trio.CancelScope) -> None:
        with scope:
            await transcribe(recognizer, np.tile(one.pcm, 50))

    async def speaker(scope: trio.CancelScope) -> None:
        async with recognizer.stream() as stream:
            half = len(other.pcm) // 2
            await stream.feed(other.pcm[:half])
            scope.cancel()
            await stream.feed(other.pcm[half:])
            text = await stream.finish()
        assert other.is_heard_in(text)
        assert one.is_apart_from(text)

    # The first to come may work for all: each of them is it once.
    for count in range(3):
        scope = trio.CancelScope()
        tasks = [speaker, speaker]
        tasks.insert(count, babble)
        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                for task in tasks:
                    nursery.start_soon(task, scope)
        assert scope.cancelled_caught


async def forgets_an_utterance_left_unfinished(
    recognizer: Recognizer, one: Sample, other: Sample
) -> None:
    async with recognizer.stream() as stream:
        await stream.feed(one.pcm)
    text = await transcribe(recognizer, other.pcm)
    assert other.is_heard_in(text)
    assert one.is_apart_from(text)


async def may_be_cancelled_while_it_finishes(
    recognizer: Recognizer, one: Sample, other: Sample
) -> None:
    with trio.CancelScope() as scope:
        async with recognizer.stream() as stream:
            await stream.feed(one.pcm)
            scope.cancel()
            await stream.finish()
    assert scope.cancelled_caught
    assert one.is_apart_from(await transcribe(recognizer, other.pcm))


CONTRACT: list[Requirement] = [
    understands_and_shows_partials,
    hears_nothing_in_nothing,
    repeats_the_hypothesis_without_new_audio,
    takes_one_feed_of_all,
    refuses_audio_after_the_end,
    keeps_two_speakers_apart,
    serves_tasks_at_once,
    forgets_a_cancelled_utterance,
    serves_others_when_one_is_cancelled,
    forgets_an_utterance_left_unfinished,
    may_be_cancelled_while_it_finishes,
]
