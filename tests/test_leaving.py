"""An agent that leaves after its sentence: on a virtual clock, with fake parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.e2e.murmur import until
from tests.fakes import ANA, BEN
from tests.scene import CONFIG, Scene
from trioagent.config import ChunkerConfig, PlaybackConfig
from trioagent.decisions.jitter import JitterBuffer

if TYPE_CHECKING:
    from trio.testing import MockClock

QUESTION = "hello out there"
LONG = (
    "alpha, bravo, charlie, delta, echo, foxtrot, golf, hotel, india, juliet, kilo,"
    " lima."
)
REPLY = "this is the first sentence. and here comes the second sentence. last one."


def talkative() -> Scene:
    config = attrs.evolve(CONFIG, chunker=ChunkerConfig(min_chars=10))
    scene = Scene(config)
    scene.model.replies = {QUESTION: REPLY}
    return scene


async def until_spoken(scene: Scene, words: str) -> None:
    await until(lambda: words in scene.spoken, 30)


async def test_the_sentence_that_is_heard_ends_and_no_other_begins(
    autojump_clock: MockClock,
) -> None:
    scene = talkative()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.agent.run)
        await scene.say(QUESTION)
        await until_spoken(scene, "the first")
        await scene.agent.leave()
        assert scene.spoken == "this is the first sentence."
        ended = trio.current_time()
    assert trio.current_time() == ended
    assert scene.spoken == "this is the first sentence."
    assert not scene.room.talk_open
    assert scene.idle()


async def test_a_sentence_of_several_phrases_is_said_to_its_end(
    autojump_clock: MockClock,
) -> None:
    scene = talkative()
    scene.model.replies = {QUESTION: f"{LONG} mike november."}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.agent.run)
        await scene.say(QUESTION)
        await until_spoken(scene, "alpha, bravo")
        await scene.agent.leave()
    assert scene.spoken.endswith("kilo, lima.")


@pytest.mark.parametrize("step", ["idle", "listening", "thinking"])
async def test_where_nothing_is_heard_it_leaves_at_once(
    step: str, autojump_clock: MockClock
) -> None:
    scene = talkative()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.agent.run)
        if step == "listening":
            nursery.start_soon(scene.say, QUESTION)
            await trio.sleep(0.3)
        elif step == "thinking":
            scene.model.first_token_s = 60
            await scene.say(QUESTION)
            await trio.sleep(1)
            assert "committed" in scene.names(1)
        began = trio.current_time()
        await scene.agent.leave()
        assert trio.current_time() - began < 0.05
        nursery.cancel_scope.cancel()
    assert scene.room.frames == []


async def test_what_is_said_then_is_not_answered_and_does_not_interrupt(
    autojump_clock: MockClock,
) -> None:
    scene = talkative()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.agent.run)
        scene.room.join(ANA, BEN)
        await scene.say(QUESTION)
        await until_spoken(scene, "this is")
        async with trio.open_nursery() as leaving:
            leaving.start_soon(scene.agent.leave)
            await trio.sleep(0.1)
            await scene.say("stop", BEN)
    assert scene.spoken == "this is the first sentence."
    assert "ducked" not in scene.names(1)
    assert scene.names(2) == []


async def test_a_reply_that_waits_for_the_floor_does_not_get_it(
    autojump_clock: MockClock,
) -> None:
    scene = talkative()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.agent.run)
        nursery.start_soon(scene.say, QUESTION)
        await scene.say("and so on", BEN)
        await until(lambda: scene.agent._conversation.floor.speaking is not None)
        await trio.sleep(0.1)
        heard = [n for n, event in scene.events if event.name == "first_frame"]
        await scene.agent.leave()
    assert heard == [n for n, event in scene.events if event.name == "first_frame"]
    # The other one was ready, and waits no more.
    assert "committed" in scene.names(3 - heard[-1])


async def test_a_reply_that_is_interrupted_then_holds_nobody_up(
    autojump_clock: MockClock,
) -> None:
    scene = talkative()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.agent.run)
        await scene.say(QUESTION)
        await until_spoken(scene, "this is")
        nursery.start_soon(scene.say, "stop it now please", BEN)
        await trio.sleep(0.06)
        began = trio.current_time()
        await scene.agent.leave()
        assert trio.current_time() - began < 0.5
        nursery.cancel_scope.cancel()
    assert "sentence" not in scene.spoken


def test_where_a_sentence_ends_in_the_buffer() -> None:
    buffer = JitterBuffer(1000, PlaybackConfig().fade_ms)
    for text in ("One,", "two.", 'He said "three."', "Four"):
        buffer.begin_phrase(text)
        buffer.put(np.zeros(100, np.int16))
        buffer.end_phrase()
    for cursor, over in ((50, False), (199, False), (200, True), (250, True)):
        buffer.cursor = cursor
        assert buffer.sentence_over(50) is over
    buffer.cursor = 299
    assert not buffer.sentence_over(210)
    buffer.cursor = 300
    assert buffer.sentence_over(210)
    # The last is no sentence: it is over when all is.
    assert not buffer.sentence_over(310)
    buffer.complete, buffer._level = True, 0
    assert buffer.sentence_over(310)
