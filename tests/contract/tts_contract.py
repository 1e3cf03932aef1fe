"""What every synthesizer must do, whatever it sounds like.

A provider is a `Case` in `CASES` of a module `cases_tts_<provider>`; `test_tts` runs
each function of `CONTRACT` with each of them.
"""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from tests.contract.tts_case import (
    FULL_SCALE,
    LONG,
    NOTHING,
    ODD,
    OTHER,
    PHRASE,
    VERY_LONG,
    Case,
    Opener,
    Requirement,
    Spoken,
    alike,
    opener,
    speak,
    stays_right,
    until_idle,
)
from tests.contract.tts_interruptions import INTERRUPTIONS
from tests.contract.tts_remains import REMAINS
from trioagent.errors import ConfigError, ProviderError, ProviderUnavailable
from trioagent.interfaces import Speech, Synthesizer

if TYPE_CHECKING:
    from pathlib import Path


async def speaks(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        spoken = await speak(tts, PHRASE)
        assert 8_000 <= tts.rate_hz <= 48_000
    for piece in spoken.pieces:
        assert piece.pcm.dtype == np.int16
        assert piece.pcm.ndim == 1
        assert len(piece.pcm) > 0
    assert 0.3 < len(spoken.pcm) / tts.rate_hz < 20
    assert np.abs(spoken.pcm.astype(int)).max() > 0.05 * FULL_SCALE


async def gives_audio_in_pieces(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        spoken = await speak(tts, LONG)
    assert len(spoken.pieces) > 3
    longest = max(len(piece.pcm) for piece in spoken.pieces)
    assert longest < len(spoken.pcm) / 2


async def keeps_the_order_at_any_pace(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        at_once = await speak(tts, LONG)
        for room in (0, 1, 7):
            assert alike(case, await speak(tts, LONG, room=room), at_once)


async def marks_words_where_they_are(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        spoken = await speak(tts, PHRASE)
    marks = [mark for piece in spoken.pieces for mark in piece.words]
    places = [mark.start_char for mark in marks]
    times = [mark.at_sample for mark in marks]
    assert places == sorted(set(places))
    assert times == sorted(times)
    assert all(0 <= time < len(spoken.pcm) for time in times)
    assert not any(PHRASE[place].isspace() for place in places)
    if case.marks_words:
        found = [PHRASE[place:].split(maxsplit=1)[0] for place in places]
        assert found == PHRASE.split()


async def speaks_one_phrase_after_another(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        first = {text: await speak(tts, text) for text in (PHRASE, OTHER)}
        assert not alike(case, first[PHRASE], first[OTHER])
        for text in (OTHER, OTHER, PHRASE):
            assert alike(case, await speak(tts, text), first[text])


async def serves_callers_at_once(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        alone = {text: await speak(tts, text) for text in (PHRASE, OTHER, LONG)}

        async def caller(text: str) -> None:
            assert alike(case, await speak(tts, text), alone[text])

        async with trio.open_nursery() as nursery:
            for text in [*alone, *alone]:
                nursery.start_soon(caller, text)
        await until_idle(case, tts)


async def _held_back(
    tts: Synthesizer, nursery: trio.Nursery, text: str
) -> trio.MemoryReceiveChannel[Speech]:
    """Begin a phrase whose receiver takes one piece, and wait until it is stuck."""
    send, receive = trio.open_memory_channel[Speech](0)
    nursery.start_soon(tts.synthesize, text, send)
    with trio.fail_after(10):
        await receive.receive()
        while not receive.statistics().tasks_waiting_send:  # noqa: ASYNC110 - no event
            await trio.sleep(0.001)
    return receive


async def waits_for_a_slow_receiver(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        await speak(tts, VERY_LONG[:200])
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            async with trio.open_nursery() as nursery:
                receive = await _held_back(tts, nursery, VERY_LONG)
                await trio.sleep(0.1)
                taken = tracemalloc.get_traced_memory()[0] - before
                assert receive.statistics().tasks_waiting_send == 1
                nursery.cancel_scope.cancel()
        finally:
            tracemalloc.stop()
        await until_idle(case, tts)
    assert taken < case.ahead_bytes


async def a_phrase_held_back_holds_no_other(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        alone = await speak(tts, PHRASE)
        async with trio.open_nursery() as nursery:
            await _held_back(tts, nursery, LONG)
            assert alike(case, await speak(tts, PHRASE), alone)
            nursery.cancel_scope.cancel()


async def leaves_the_event_loop_alone(case: Case, folder: Path) -> None:
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await trio.sleep(0.002)
            ticks += 1

    async with case.open_slow(folder) as tts, trio.open_nursery() as nursery:
        nursery.start_soon(tick)
        await speak(tts, OTHER)
        nursery.cancel_scope.cancel()
    assert ticks >= 5


async def has_nothing_to_say(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        for text in NOTHING:
            assert (await speak(tts, text)).pieces == [], repr(text)


async def bears_odd_text(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        alone = await speak(tts, PHRASE)
        for text in ODD:
            await speak(tts, text)
        assert alike(case, await speak(tts, PHRASE), alone)


async def speaks_very_long_text(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        part = await speak(tts, VERY_LONG[: len(VERY_LONG) // 12])
        whole = await speak(tts, VERY_LONG)
    assert 0.9 < len(whole.pcm) / (12 * len(part.pcm)) < 1.1


async def a_receiver_that_is_gone(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        alone = await speak(tts, PHRASE)
        send, receive = trio.open_memory_channel[Speech](0)
        receive.close()
        with pytest.raises(trio.BrokenResourceError):
            await tts.synthesize(PHRASE, send)
        await stays_right(case, tts, alone)


async def translates_errors(case: Case, folder: Path) -> None:
    async with case.open_failing(folder) as tts:
        for _ in range(2):
            with pytest.raises(ProviderError) as caught:
                await speak(tts, PHRASE)
            assert caught.value.message
            await until_idle(case, tts)


async def says_why_it_cannot_be_used(case: Case, folder: Path) -> None:
    await trio.lowlevel.checkpoint()
    if case.open_unusable is None:
        return
    with pytest.raises((ProviderUnavailable, ConfigError)) as caught:
        async with case.open_unusable(folder):
            pass
    assert caught.value.message
    assert caught.value.hint


CONTRACT: list[Requirement] = [
    speaks,
    gives_audio_in_pieces,
    keeps_the_order_at_any_pace,
    marks_words_where_they_are,
    speaks_one_phrase_after_another,
    serves_callers_at_once,
    waits_for_a_slow_receiver,
    a_phrase_held_back_holds_no_other,
    *INTERRUPTIONS,
    leaves_the_event_loop_alone,
    has_nothing_to_say,
    bears_odd_text,
    speaks_very_long_text,
    a_receiver_that_is_gone,
    translates_errors,
    says_why_it_cannot_be_used,
    *REMAINS,
]

# What the providers' cases are made of.
__all__ = ["CONTRACT", "Case", "Opener", "Requirement", "Spoken", "opener", "speak"]
