"""What every language model must do when its caller has had enough."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from tests.contract.llm_case import QUESTION, WORDS, Requirement, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from trioagent.interfaces import LanguageModel


async def may_be_cancelled_before_it_begins(model: LanguageModel) -> None:
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, receive, trio.CancelScope() as scope:
        scope.cancel()
        await model.reply(QUESTION, send)
    assert scope.cancelled_caught
    assert receive.statistics().current_buffer_used == 0
    assert await said(model) == WORDS


async def may_be_cancelled_at_any_step(model: LanguageModel) -> None:
    """After so many turns of the event loop: while it connects, asks, waits, reads."""
    for steps in (*range(40), *range(40, 200, 20)):
        send, receive = trio.open_memory_channel[str](math.inf)
        with send, receive, trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(model.reply, QUESTION, send)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
    assert await said(model) == WORDS


async def may_be_cancelled_after_any_piece(model: LanguageModel) -> None:
    for count in (0, 1, 2, 10, len(WORDS) - 1):
        send, receive = trio.open_memory_channel[str](0)
        with send, receive, trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(model.reply, QUESTION, send)
                for _ in range(count):
                    await receive.receive()
                nursery.cancel_scope.cancel()
        assert await said(model) == WORDS


async def may_be_cancelled_while_its_reader_is_full(model: LanguageModel) -> None:
    send, receive = trio.open_memory_channel[str](1)
    with send, receive:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(model.reply, QUESTION, send)
            await _until(lambda: receive.statistics().tasks_waiting_send == 1)
            nursery.cancel_scope.cancel()
            began = trio.current_time()
    assert trio.current_time() - began < 0.5, "it ends at once"
    assert await said(model) == WORDS


async def ends_when_its_reader_is_gone(model: LanguageModel) -> None:
    send, receive = trio.open_memory_channel[str](0)

    async def leave_early() -> None:
        await receive.receive()
        receive.close()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(leave_early)
        with send, trio.fail_after(10), pytest.raises(trio.BrokenResourceError):
            await model.reply(QUESTION, send)
    assert await said(model) == WORDS


async def leaves_nothing_behind(model: LanguageModel) -> None:
    """Neither tasks nor open files, however many replies are cancelled."""
    await said(model)
    tasks, files = _tasks(), _open_files()
    for number in range(50):
        send, receive = trio.open_memory_channel[str](0)
        with send, receive, trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(model.reply, QUESTION, send)
                if number % 2:
                    await receive.receive()
                nursery.cancel_scope.cancel()
    await said(model)
    # A server of our own process needs a moment to see that we are gone. One connection
    # may wait for the next request, also if the server had closed it when we counted.
    await _until(lambda: _tasks() <= tasks and _open_files() <= files + 1)


async def _until(condition: Callable[[], bool]) -> None:
    with trio.fail_after(10):
        while not condition():  # noqa: ASYNC110 (nothing tells of it)
            await trio.sleep(0.005)


def _tasks() -> int:
    return trio.lowlevel.current_statistics().tasks_living


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def serves_others_when_one_is_cancelled(model: LanguageModel) -> None:
    async def give_up(scope: trio.CancelScope) -> None:
        with scope:
            await said(model)

    async def ask(scope: trio.CancelScope) -> None:
        send, receive = trio.open_memory_channel[str](0)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(model.reply, QUESTION, send)
            words = await receive.receive()
            scope.cancel()
            while words.split() != WORDS:
                words += await receive.receive()

    scope = trio.CancelScope()
    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(give_up, scope)
            nursery.start_soon(ask, scope)


async def a_check_may_be_cancelled(model: LanguageModel) -> None:
    for steps in range(20):
        with trio.fail_after(10):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(model.check)
                for _ in range(steps):
                    await trio.lowlevel.checkpoint()
                nursery.cancel_scope.cancel()
    assert await said(model) == WORDS


WHEN_CANCELLED: list[Requirement] = [
    may_be_cancelled_before_it_begins,
    may_be_cancelled_at_any_step,
    may_be_cancelled_after_any_piece,
    may_be_cancelled_while_its_reader_is_full,
    ends_when_its_reader_is_gone,
    leaves_nothing_behind,
    serves_others_when_one_is_cancelled,
    a_check_may_be_cancelled,
]
