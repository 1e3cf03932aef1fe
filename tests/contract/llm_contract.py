"""What every language model must do, whatever it says.

A module `cases_llm_*.py` beside this one has a list `CASES`: how models are opened that
say `WORDS` when asked `QUESTION`. `test_llm.py` runs each requirement with each.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.contract.llm_cancelling import WHEN_CANCELLED
from tests.contract.llm_case import (
    BEFORE_IT_BREAKS,
    QUESTION,
    WORDS,
    Case,
    Opener,
    Requirement,
    fails,
    said,
)
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from trioagent.interfaces import LanguageModel


async def streams_in_order_as_it_comes(model: LanguageModel) -> None:
    send, receive = trio.open_memory_channel[str](0)
    done = trio.Event()

    async def reply() -> None:
        await model.reply(QUESTION, send)
        done.set()
        send.close()

    pieces = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(reply)
        async for piece in receive:
            assert piece
            assert pieces or not done.is_set(), "the first piece comes before the end"
            pieces.append(piece)
    assert len(pieces) > len(WORDS) / 2, "it comes piece by piece"
    assert "".join(pieces).split() == WORDS


async def leaves_the_channel_open(model: LanguageModel) -> None:
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, receive:
        await model.reply(QUESTION, send)
        assert receive.statistics().open_send_channels == 1
        send.send_nowait("more")


async def waits_for_a_slow_reader(model: LanguageModel) -> None:
    send, receive = trio.open_memory_channel[str](1)
    pieces = []

    async def reply() -> None:
        with send:
            await model.reply(QUESTION, send)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reply)
        for _ in range(3):
            pieces.append(await receive.receive())
            await trio.sleep(0.05)
            assert receive.statistics().current_buffer_used == 1
            assert receive.statistics().tasks_waiting_send == 1
        pieces += [piece async for piece in receive]
    assert "".join(pieces).split() == WORDS


async def serves_replies_at_once(model: LanguageModel) -> None:
    async def ask() -> None:
        assert await said(model) == WORDS

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(ask)


async def can_be_checked_and_has_a_name(model: LanguageModel) -> None:
    with trio.fail_after(10):
        await model.check()
    assert model.name
    assert model.name.isprintable()
    assert await said(model) == WORDS
    await model.check()


async def says_that_nobody_is_there(model: LanguageModel) -> None:
    """With where it looked, and what to do. Not a word was sent."""
    words, error = await fails(model)
    assert words == []
    for problem in (error, await _failed_check(model)):
        assert isinstance(problem, ProviderUnavailable)
        assert "127.0.0.1:" in problem.message
        assert problem.hint or "base_url" in problem.message


async def _failed_check(model: LanguageModel) -> ProviderError:
    with pytest.raises(ProviderError) as caught, trio.fail_after(10):
        await model.check()
    return caught.value


async def fails_after_the_pieces_that_came(model: LanguageModel) -> None:
    for _ in range(2):
        words, error = await fails(model)
        assert words == BEFORE_IT_BREAKS
        assert "127.0.0.1:" in error.message


WHEN_IT_WORKS: list[Requirement] = [
    streams_in_order_as_it_comes,
    leaves_the_channel_open,
    waits_for_a_slow_reader,
    serves_replies_at_once,
    can_be_checked_and_has_a_name,
    *WHEN_CANCELLED,
]


async def _run(opener: Opener, requirement: Requirement, folder: Path) -> None:
    async with opener(folder) as model:
        await requirement(model)


def demands(case: Case) -> dict[str, Callable[[Path], Awaitable[None]]]:
    """What `case` must do, by name: each is run with a folder."""
    named = {
        requirement.__name__: partial(_run, case.open, requirement)
        for requirement in WHEN_IT_WORKS
    }
    for opener, requirement in (
        (case.unreachable, says_that_nobody_is_there),
        (case.breaks_off, fails_after_the_pieces_that_came),
    ):
        if opener is not None:
            named[requirement.__name__] = partial(_run, opener, requirement)
    return named
