"""Bugs of each kind, planted into the running code: the sweep sees every one.

Each plant is made twice: with the bug, and the same code without it, which must pass.
So it is the bug that is seen, not the planting.
"""

from __future__ import annotations

import traceback
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import trio

from tests.fakes import FakeLanguageModel, FakeSynthesizer
from tests.sweep import Scenario, sweep
from tests.swept_parts import LanguageModel, Outlet, Synthesizer
from tests.test_sweep import interrupted, shut_down
from trioagent.floor import Floor, Replying
from trioagent.interfaces import FRAME_S, Message, Speech
from trioagent.stages.draft import Draft
from trioagent.stages.playback import Playback
from trioagent.turn import Turn

if TYPE_CHECKING:
    from trioagent.journal.events import TurnJournal

Patch = pytest.MonkeyPatch
Plant = Callable[[Patch, bool], None]
"""The second argument says whether with the bug."""


async def checkpoint_if(bug: bool) -> None:  # noqa: ASYNC910 - as the bug would
    if bug:
        await trio.lowlevel.checkpoint()


def await_in_finally_of_playback(patch: Patch, bug: bool) -> None:
    async def run(self: Playback) -> bool:
        try:
            while True:
                await self.draft.wait_until(self._can_go_on)
                if self.draft.discarded:
                    return False
                if self.draft.buffer.drained:
                    return True
                if not await self._play_run():
                    return False
        finally:
            await checkpoint_if(bug)  # noqa: ASYNC102 - the bug
            self.room.end_talk()

    patch.setattr(Playback, "run", run)


def await_in_finally_of_a_provider(patch: Patch, bug: bool) -> None:
    async def reply(
        self: LanguageModel,
        messages: Sequence[Message],
        tokens: trio.MemorySendChannel[str],
    ) -> None:
        self.open_requests += 1
        try:
            await FakeLanguageModel.reply(
                self, messages, Outlet(tokens, self.point, "model")
            )
        finally:
            await checkpoint_if(bug)  # noqa: ASYNC102 - the bug
            self.open_requests -= 1

    patch.setattr(LanguageModel, "reply", reply)


def _playback(patch: Patch, *, before_write: bool, before_record: bool) -> None:
    """Playback with a checkpoint before the write, or between it and its record."""

    async def play_run(self: Playback) -> bool:
        buffer, due = self.draft.buffer, trio.current_time()
        while not buffer.drained:
            await trio.sleep_until(due)
            due += FRAME_S
            if buffer.cursor == 0 and not self.control.begin():
                return False
            recorded = buffer.cursor
            frame = buffer.take()
            if frame is None:
                self.room.end_talk()
                return True
            await checkpoint_if(before_write)
            now, buffer.cursor = buffer.cursor, recorded
            self.room.write(frame, buffer.rate_hz, last=buffer.drained)
            await checkpoint_if(before_record)
            buffer.cursor = now
            self.draft.changed()
        return True  # noqa: ASYNC910 - as the original

    patch.setattr(Playback, "_play_run", play_run)


def checkpoint_between_write_and_record(patch: Patch, bug: bool) -> None:
    _playback(patch, before_write=False, before_record=bug)


def checkpoint_between_take_and_write(patch: Patch, bug: bool) -> None:
    _playback(patch, before_write=bug, before_record=False)


def limiter_without_async_with(patch: Patch, bug: bool) -> None:
    async def synthesize(
        self: Synthesizer, phrase: str, audio: trio.MemorySendChannel[Speech]
    ) -> None:
        done = False
        outlet = Outlet(audio, self.point, "synthesizer")
        await self.limiter.acquire()
        try:
            await FakeSynthesizer.synthesize(self, phrase, outlet)
            done = True
        finally:
            if done or not bug:
                self.limiter.release()

    patch.setattr(Synthesizer, "synthesize", synthesize)


def floor_without_async_with(patch: Patch, bug: bool) -> None:
    @asynccontextmanager
    async def held_by(self: Floor, turn: Replying) -> AsyncIterator[None]:
        done = False
        await self._queue.acquire()
        self.holder = turn
        try:
            yield
            done = True
        finally:
            self.holder = None
            self._claims.clear()
            if done or not bug:
                self._queue.release()

    patch.setattr(Floor, "held_by", held_by)


def close_before_cancel(patch: Patch, bug: bool) -> None:
    """An interrupt that closes the channels of the turn's drafts itself."""
    ends: dict[TurnJournal, list[trio.MemoryReceiveChannel[str]]] = {}
    cut, interrupt = Draft._cut, Turn.interrupt

    async def watched_cut(
        self: Draft,
        tokens: trio.MemoryReceiveChannel[str],
        phrases_in: trio.MemorySendChannel[str],
    ) -> None:
        ends.setdefault(self.journal, []).append(tokens)
        await cut(self, tokens, phrases_in)

    def close_all(self: Turn) -> None:
        for end in ends.get(self.journal, ()):
            end.close()

    def closing_interrupt(self: Turn, reason: str, *, by: str = "") -> None:
        if bug:
            close_all(self)
        interrupt(self, reason, by=by)
        close_all(self)

    patch.setattr(Draft, "_cut", watched_cut)
    patch.setattr(Turn, "interrupt", closing_interrupt)


PLANTED = [
    (await_in_finally_of_playback, interrupted, "the talk spurt has not ended"),
    (await_in_finally_of_playback, shut_down, "the talk spurt has not ended"),
    (await_in_finally_of_a_provider, interrupted, "a request is open"),
    (checkpoint_between_write_and_record, interrupted, "not what went out"),
    (checkpoint_between_take_and_write, interrupted, "not what went out"),
    (limiter_without_async_with, interrupted, "a turn is not over"),
    (limiter_without_async_with, shut_down, "a limiter token is lost"),
    (floor_without_async_with, interrupted, "somebody has the floor"),
    (floor_without_async_with, shut_down, "somebody has the floor"),
    (close_before_cancel, interrupted, "nobody failed, and yet"),
]
EVERY_PLANT = pytest.mark.parametrize(
    ("plant", "scenario", "seen"),
    PLANTED,
    ids=[f"{plant.__name__}-{scenario.__name__}" for plant, scenario, _ in PLANTED],
)


@EVERY_PLANT
def test_the_sweep_sees_a_planted_bug(
    plant: Plant, scenario: Scenario, seen: str, monkeypatch: Patch
) -> None:
    plant(monkeypatch, True)
    # Which failure it was is asked below: it is deep in groups.
    with pytest.raises(Exception) as caught:  # noqa: PT011
        sweep(scenario, seed=1, stride=3)
    told = "".join(traceback.format_exception(caught.value))
    assert seen in told
    # A discarded draft is cancelled also in the run in which nothing happens.
    assert "sweep: seed 1, " in told


@EVERY_PLANT
def test_the_same_code_without_the_bug_passes(
    plant: Plant, scenario: Scenario, seen: str, monkeypatch: Patch
) -> None:
    plant(monkeypatch, False)
    sweep(scenario, seed=1, stride=7)
