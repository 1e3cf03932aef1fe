"""What every synthesizer must do when it is interrupted, at whatever moment."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import trio

from tests.contract.tts_case import LONG, OTHER, PHRASE, alike, speak, stays_right
from trioagent.interfaces import Speech

if TYPE_CHECKING:
    from pathlib import Path

    from tests.contract.tts_case import Case, Requirement


async def cancelled_before_it_begins(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        alone = await speak(tts, PHRASE)
        send, receive = trio.open_memory_channel[Speech](math.inf)
        with trio.CancelScope() as scope:
            scope.cancel()
            await tts.synthesize(LONG, send)
        assert scope.cancelled_caught
        await stays_right(case, tts, alone)
        assert receive.statistics().current_buffer_used == 0


async def cancelled_at_each_piece(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        alone = await speak(tts, PHRASE)
        for count in range(1, 7):
            send, receive = trio.open_memory_channel[Speech](0)
            with trio.fail_after(10):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(tts.synthesize, LONG, send)
                    for _ in range(count):
                        await receive.receive()
                    nursery.cancel_scope.cancel()
            await stays_right(case, tts, alone)


async def cancelled_at_any_time(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        alone = await speak(tts, PHRASE)
        began = trio.current_time()
        await speak(tts, LONG)
        took_s = trio.current_time() - began
        for tenth in range(10):
            send, receive = trio.open_memory_channel[Speech](math.inf)
            with trio.move_on_after(took_s * tenth / 10):
                await tts.synthesize(LONG, send)
            arrived = receive.statistics().current_buffer_used
            await stays_right(case, tts, alone)
            # Nothing of it comes later.
            assert receive.statistics().current_buffer_used == arrived


async def cancelled_in_a_blocking_call(case: Case, folder: Path) -> None:
    async with case.open_slow(folder) as tts:
        alone = await speak(tts, OTHER)
        send, receive = trio.open_memory_channel[Speech](math.inf)
        with trio.move_on_after(0.02) as scope:
            await tts.synthesize(LONG, send)
        late_s = trio.current_time() - scope.deadline
        assert scope.cancelled_caught
        assert late_s < 1
        with trio.fail_after(case.frees_within_s + 1):
            assert alike(case, await speak(tts, OTHER), alone)
        assert receive.statistics().current_buffer_used == 0


INTERRUPTIONS: list[Requirement] = [
    cancelled_before_it_begins,
    cancelled_at_each_piece,
    cancelled_at_any_time,
    cancelled_in_a_blocking_call,
]
