"""What every recognizer must do, whatever it understands.

A module `cases_asr_*.py` beside this one has a list `CASES`: how recognizers are
opened, and two `Sample`s that they know. `test_asr.py` runs each requirement on each.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import attrs
import numpy as np
import pytest
import trio

from tests.helpers_speech import frames, silence, words
from trioagent.interfaces import Pcm, Recognizer, RecognizerStream

FRAME_SAMPLES = 320
LAG_S = 0.3
"""How long a hypothesis may take that comes by itself."""


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


@attrs.frozen(eq=False)
class Case:
    """A recognizer to be tested.

    Attributes:
        name: Of the provider, and of what is behind it.
        open: Opens it; the folder is for files of its own.
        samples: Make what one speaker says, and another. They may skip the test.
        shows_partials: It gives hypotheses before the utterance ends.
        partials_lag: They come while somebody speaks, but not with the audio that they
            are made from.
    """

    name: str
    open: Callable[[Path], AbstractAsyncContextManager[Recognizer]]
    samples: Callable[[], tuple[Sample, Sample]]
    shows_partials: bool = True
    partials_lag: bool = False

    def __str__(self) -> str:
        return self.name


async def transcribe(recognizer: Recognizer, pcm: Pcm) -> str:
    async with recognizer.stream() as stream:
        await stream.feed(pcm)
        return await stream.finish()


async def understands_frame_by_frame(
    recognizer: Recognizer, one: Sample, _other: Sample
) -> None:
    async with recognizer.stream() as stream:
        for piece in frames(one.pcm, FRAME_SAMPLES):
            await stream.feed(piece)
        final = await stream.finish()
    assert one.is_heard_in(final)
    assert final == final.strip()


async def shows_partials(recognizer: Recognizer, one: Sample, _other: Sample) -> None:
    async with recognizer.stream() as stream:
        pieces = frames(one.pcm, FRAME_SAMPLES)
        partials = [await stream.feed(piece) for piece in pieces]
        await stream.finish()
    assert partials[0] == ""
    counts = {len(words(partial)) for partial in partials}
    assert len(counts) > 2, "the hypothesis grows while somebody speaks"


async def shows_partials_in_time(
    recognizer: Recognizer, one: Sample, _other: Sample
) -> None:
    async with recognizer.stream() as stream:
        partials = [""]
        for piece in frames(one.pcm, 10 * FRAME_SAMPLES):
            partials.append(await stream.feed(piece))
            with trio.move_on_after(LAG_S):
                while partials[-1] == partials[-2]:
                    await trio.sleep(0.005)
                    partials[-1] = await stream.feed(silence(0))
        final = await stream.finish()
    counts = {len(words(partial)) for partial in partials}
    assert len(counts) > 2, "the hypothesis grows while somebody speaks"
    assert one.is_heard_in(final)


async def shows_nothing_before_the_end(
    recognizer: Recognizer, one: Sample, _other: Sample
) -> None:
    async with recognizer.stream() as stream:
        pieces = frames(one.pcm, FRAME_SAMPLES)
        assert {await stream.feed(piece) for piece in pieces} == {""}
        assert one.is_heard_in(await stream.finish())


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
    understands_frame_by_frame,
    hears_nothing_in_nothing,
    takes_one_feed_of_all,
    refuses_audio_after_the_end,
    keeps_two_speakers_apart,
    serves_tasks_at_once,
    forgets_a_cancelled_utterance,
    serves_others_when_one_is_cancelled,
    forgets_an_utterance_left_unfinished,
    may_be_cancelled_while_it_finishes,
]
WITH_PARTIALS: list[Requirement] = [
    shows_partials,
    repeats_the_hypothesis_without_new_audio,
]
WITH_LATE_PARTIALS: list[Requirement] = [shows_partials_in_time]
WITHOUT_PARTIALS: list[Requirement] = [shows_nothing_before_the_end]


def requirements(case: Case) -> list[Requirement]:
    """All that is required of this one."""
    if not case.shows_partials:
        return CONTRACT + WITHOUT_PARTIALS
    return CONTRACT + (WITH_LATE_PARTIALS if case.partials_lag else WITH_PARTIALS)
