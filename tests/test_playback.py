"""Playback on a virtual clock, of drafts whose audio the tests put in by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import FakeLanguageModel, FakeRoom, FakeSynthesizer, Vocabulary
from trioagent.config import ChunkerConfig, PlaybackConfig
from trioagent.decisions.jitter import StartLevel
from trioagent.interfaces import FRAME_S, Pcm
from trioagent.journal.events import TurnJournal
from trioagent.stages.draft import Draft
from trioagent.stages.playback import Playback
from trioagent.stages.voice import Voice

if TYPE_CHECKING:
    from trio.testing import MockClock

RATE_HZ = 1000
FRAME = 20
CONFIG = PlaybackConfig(prebuffer_ms=60, fade_ms=0)


@attrs.define(eq=False)
class WatchedRoom(FakeRoom):
    """A room that calls `on_frame` with the number of each frame, as it is written."""

    on_frame: Callable[[int], None] = lambda index: None

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:
        super().write(frame, rate_hz, last=last)
        self.on_frame(len(self.frames) - 1)


@attrs.define(eq=False)
class Stage:
    """A draft being played, and what can be seen of it."""

    may_begin: bool = True
    room: WatchedRoom = attrs.Factory(WatchedRoom)
    began: list[float] = attrs.Factory(list)
    result: bool | None = None
    draft: Draft = attrs.field(init=False)
    playback: Playback = attrs.field(init=False)
    scope: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _sample: int = 0

    def __attrs_post_init__(self) -> None:
        journal = TurnJournal(1, "Ana", "now")
        level = StartLevel(CONFIG)
        synthesizer = FakeSynthesizer(Vocabulary(), RATE_HZ)
        voice = Voice(
            FakeLanguageModel(),
            synthesizer,
            RATE_HZ,
            ChunkerConfig(),
            CONFIG,
            level,
            "",
        )
        self.draft = Draft(1, "text", (), 0, voice, journal)
        self.draft.buffer.begin_phrase("text")
        self.playback = Playback(self.draft, self.room, journal, self)

    held: bool = False
    on_begin: Callable[[], object] = lambda: None
    phrases: list[str] = attrs.Factory(list)
    waited: list[bool] = attrs.Factory(list)

    def sounding(self, phrase: str) -> None:
        self.phrases.append(phrase)

    def waits(self, *, for_audio: bool) -> None:
        self.waited.append(for_audio)

    def begin(self) -> bool:
        self.on_begin()
        self.began.append(trio.current_time())
        return self.may_begin

    def put(self, samples: int) -> None:
        """Samples count up, so that each can be told from the others."""
        pcm = 1 + np.arange(self._sample, self._sample + samples, dtype=np.int16)
        self._sample += samples
        self.draft.buffer.put(pcm)
        self.draft.changed()

    def complete(self) -> None:
        self.draft.buffer.complete = True
        self.draft.changed()

    async def run(self) -> None:
        with self.scope:
            self.result = await self.playback.run()

    @property
    def times(self) -> list[float]:
        return [frame.time for frame in self.room.frames]

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.draft.journal.events]

    def assert_played(self, samples: int) -> None:
        spoken = self.room.spoken
        assert np.array_equal(spoken[:samples], 1 + np.arange(samples))
        assert not spoken[samples:].any()


async def test_frames_go_out_on_the_grid(autojump_clock: MockClock) -> None:
    stage = Stage()
    stage.put(1005)
    stage.complete()
    await trio.sleep(1)
    await stage.run()
    assert stage.result is True
    assert stage.times == pytest.approx([1 + i * FRAME_S for i in range(51)])
    assert stage.began == [1.0]
    assert [f.last for f in stage.room.frames] == [False] * 50 + [True]
    stage.assert_played(1005)
    assert stage.names == ["buffered", "last_frame"]
    assert stage.draft.journal.events[-1].data["until"] == pytest.approx(2.02)
    assert not stage.room.ends  # the last frame has said so


async def test_it_starts_when_there_is_enough(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        for _ in range(3):
            await trio.sleep(0.1)
            assert not stage.room.frames
            stage.put(FRAME)
        stage.complete()
    assert stage.times == pytest.approx([0.3, 0.32, 0.34])


async def test_a_short_reply_starts_when_it_is_complete(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.put(7)
        await trio.sleep(0.5)
        assert not stage.room.frames
        stage.complete()
    assert stage.times == [0.5]
    stage.assert_played(7)


async def test_an_empty_reply_ends_without_a_frame(autojump_clock: MockClock) -> None:
    stage = Stage()
    stage.complete()
    await stage.run()
    assert stage.result is True
    assert not stage.room.frames
    assert not stage.began


@pytest.mark.parametrize("late_s", [0.07, 0.31, 2.0])
async def test_a_stall_is_not_made_up_for(
    late_s: float, autojump_clock: MockClock
) -> None:
    stage = Stage()
    stage.put(40 * FRAME)
    stage.complete()

    def stall(index: int) -> None:
        if index == 10:
            autojump_clock.jump(late_s)

    stage.room.on_frame = stall
    await stage.run()
    gaps = np.diff(stage.times)
    assert gaps[10] == pytest.approx(max(late_s, FRAME_S))
    assert np.delete(gaps, 10) == pytest.approx(FRAME_S)
    stage.assert_played(40 * FRAME)


@pytest.mark.parametrize("late_s", [0.01, 0.03, 0.05])
async def test_a_hiccup_does_not_move_the_grid(
    late_s: float, autojump_clock: MockClock
) -> None:
    stage = Stage()
    stage.put(40 * FRAME)
    stage.complete()
    stage.room.on_frame = lambda i: autojump_clock.jump(late_s) if i == 10 else None
    await stage.run()
    assert stage.times[13:] == pytest.approx([i * FRAME_S for i in range(13, 40)])


async def test_an_underrun_ends_the_talk_and_waits_for_the_start_level(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        stage.put(5 * FRAME + 3)
        await trio.sleep(1)
        assert len(stage.room.frames) == 5
        assert stage.room.ends == pytest.approx([0.1])
        stage.put(FRAME)
        await trio.sleep(1)
        assert len(stage.room.frames) == 5
        stage.put(5 * FRAME)
        await trio.sleep(0.05)
        stage.complete()
    assert stage.times[5:] == pytest.approx([2 + i * FRAME_S for i in range(7)])
    stage.assert_played(11 * FRAME + 3)
    assert stage.names == ["buffered", "underrun", "last_frame"]
    assert stage.draft.buffer.underruns == 1
    assert len(stage.began) == 1


async def test_cancelling_ends_the_talk_at_once(autojump_clock: MockClock) -> None:
    stage = Stage()
    stage.put(50 * FRAME)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(0.105)
        stage.scope.cancel()
    assert stage.result is None
    assert len(stage.room.frames) == 6
    assert stage.room.ends == pytest.approx([0.105])
    # The cursor says exactly what went out.
    assert stage.draft.buffer.cursor == 6 * FRAME
    assert stage.names == ["buffered", "cut_off"]
    assert stage.draft.journal.events[-1].data["until"] == pytest.approx(0.12)


async def test_cancelling_before_the_first_frame_ends_no_talk(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(1)
        stage.scope.cancel()
    assert not stage.room.frames
    assert not stage.room.ends
    assert not stage.names


async def test_a_reply_that_must_not_be_heard_is_not(autojump_clock: MockClock) -> None:
    stage = Stage(may_begin=False)
    stage.put(50 * FRAME)
    await stage.run()
    assert stage.result is False
    assert not stage.room.frames
    assert stage.draft.buffer.cursor == 0


async def test_whether_it_may_be_heard_is_asked_in_the_step_of_the_first_write(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    stage.put(10 * FRAME)
    stage.complete()
    steps: list[int] = []

    class Steps(trio.abc.Instrument):
        count = 0

        def before_task_step(self, task: trio.lowlevel.Task) -> None:
            self.count += 1

    counter = Steps()
    trio.lowlevel.add_instrument(counter)
    stage.on_begin = lambda: steps.append(counter.count)
    stage.room.on_frame = lambda index: steps.append(counter.count)
    await stage.run()
    trio.lowlevel.remove_instrument(counter)
    assert steps[0] == steps[1]
    assert steps[1] != steps[2]


async def test_a_discarded_draft_never_sounds(autojump_clock: MockClock) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(1)
        stage.draft.discard()
        stage.put(50 * FRAME)
        stage.complete()
    assert stage.result is False
    assert not stage.room.frames


async def test_a_draft_discarded_before_it_is_played_never_sounds(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    stage.put(50 * FRAME)
    stage.complete()
    stage.draft.discard()
    await stage.run()
    assert stage.result is False
    assert not stage.room.frames


async def test_held_and_restored_at_once_keeps_its_pace(
    autojump_clock: MockClock,
) -> None:
    stage = Stage()
    stage.put(1005)
    stage.complete()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.run)
        await trio.sleep(4.5 * FRAME_S)
        stage.held = True
        while not stage.room.frames[-1].last:  # noqa: ASYNC110 - the room sets no event
            await trio.sleep(FRAME_S / 2)
            await trio.testing.wait_all_tasks_blocked()
        stage.held = False
        stage.draft.changed()
    assert stage.times == pytest.approx([i * FRAME_S for i in range(51)])
    assert [f.last for f in stage.room.frames].count(True) == 2
