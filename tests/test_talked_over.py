"""A reply that is ready while somebody else talks waits until they have finished."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import ANA, BEN
from tests.scene import CONFIG, WORD_S, Scene, running
from trioagent.config import AgentConfig, BargeInConfig
from trioagent.errors import ProviderError
from trioagent.interfaces import HEARING_RATE_HZ, Speaker, SpeakerLeft
from trioagent.journal.ledger import ledger

if TYPE_CHECKING:
    from trio.testing import MockClock

QUESTION = "tell me"
ANSWER = "you said tell me."
STORY = "one two three four five six seven eight nine ten"
STORY_S = 10 * WORD_S
HOLD_S = 0.3


async def ask_while_ben_talks(
    scene: Scene, told: str = STORY, *, terminator: bool = True
) -> None:
    """Ben begins 0.2 s before Ana has asked her question; returns when he ends.

    Without a terminator her reply is ready long before the hold is over.
    """
    async with trio.open_nursery() as nursery:
        ask = partial(scene.say, QUESTION, terminator=terminator)
        nursery.start_soon(ask)
        await trio.sleep(2 * WORD_S - 0.2)
        await scene.say(told, BEN)


def waits(scene: Scene, turn: int) -> dict[str, float]:
    charges = ledger([event for number, event in scene.events if number == turn])
    assert charges is not None
    return charges


@pytest.mark.parametrize("key", [True, False], ids=["push-to-talk", "voice"])
async def test_it_begins_when_they_are_quiet_and_then_they_are_answered(
    key: bool, autojump_clock: MockClock
) -> None:
    async with running(Scene()) as scene:
        await ask_while_ben_talks(scene, terminator=key)
        quiet = trio.current_time()
        assert not scene.room.frames
        await trio.sleep(20)
    assert scene.heard == [
        ("Ana", QUESTION, ANSWER),
        ("Ben", STORY, f"you said {STORY}."),
    ]
    assert scene.room.frames[0].time == pytest.approx(quiet, abs=0.05)
    assert len(scene.talk_spurts) == 2
    assert scene.names(1).count("first_frame") == 1


async def test_the_wait_is_charged_to_the_floor(autojump_clock: MockClock) -> None:
    async with running(Scene()) as scene:
        await ask_while_ben_talks(scene)
        await trio.sleep(20)
    charges = waits(scene, 1)
    asked, first = scene.find("speech_ended"), scene.find("first_frame")
    total_s = first.t - asked.data["last_speech"]
    assert sum(charges.values()) == pytest.approx(total_s * 1000)
    assert charges["floor_ms"] / 1000 == pytest.approx(total_s, abs=0.5)
    assert charges["floor_ms"] > 2000


@pytest.mark.parametrize(
    ("allow", "agent", "respond"),
    [
        ("nobody", False, "always"),
        ("addressee", False, "always"),
        ("anyone", True, "always"),
        ("anyone", False, "addressed"),
    ],
)
async def test_who_may_not_interrupt_is_not_waited_for(
    allow: str, agent: bool, respond: str, autojump_clock: MockClock
) -> None:
    config = attrs.evolve(
        CONFIG,
        barge_in=BargeInConfig(allow=allow),
        agent=AgentConfig(respond=respond, names=("tell",)),
    )
    ben = attrs.evolve(BEN, agent=agent)
    async with running(Scene(config)) as scene:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, QUESTION)
            await trio.sleep(2 * WORD_S - 0.2)
            await scene.say(STORY, ben)
        assert scene.spoken == ANSWER
        assert "ducked" not in scene.names(1)
        await trio.sleep(20)


async def test_who_leaves_in_mid_sentence_is_not_waited_for(
    autojump_clock: MockClock,
) -> None:
    async with running(Scene()) as scene:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, QUESTION)
            await trio.sleep(2 * WORD_S - 0.2)
            nursery.start_soon(scene.say, STORY, BEN)
            await trio.sleep(1.5)
            nursery.cancel_scope.cancel()
        assert not scene.room.frames
        scene.room.put(SpeakerLeft(BEN))
        left = trio.current_time()
        await trio.sleep(0.1)
        assert scene.room.frames[0].time == pytest.approx(left, abs=0.05)
        await trio.sleep(20)
    assert ("Ana", QUESTION, ANSWER) in scene.heard


@pytest.mark.parametrize("answered", [0, 1], ids=["first", "after a reply"])
async def test_a_breath_is_not_the_end(
    answered: int, autojump_clock: MockClock
) -> None:
    async with running(Scene()) as scene:
        for _ in range(answered):
            await scene.say("hello there")
            await trio.sleep(5)
        before = len(scene.room.frames)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, QUESTION)
            await trio.sleep(2 * WORD_S - 0.2)
            await scene.say("one two three", BEN, terminator=False)
            await trio.sleep(HOLD_S - 0.05)
            await scene.say("four five six", BEN, terminator=False)
        quiet = trio.current_time()
        assert len(scene.room.frames) == before
        await trio.sleep(20)
    first = scene.room.frames[before]
    assert first.time == pytest.approx(quiet + HOLD_S, abs=0.05)
    assert len(scene.talk_spurts) == answered + 2
    assert scene.heard[-1][1] == "one two three four five six"


NOISE = np.full(HEARING_RATE_HZ, -1, np.int16)


@pytest.mark.parametrize("what", ["no words", "no recognizer", "a backchannel"])
async def test_what_is_no_speech_is_waited_for_until_it_pauses(
    what: str, autojump_clock: MockClock
) -> None:
    async with running(Scene()) as scene:
        sound = scene.words("yeah okay") if what == "a backchannel" else NOISE
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, QUESTION)
            await trio.sleep(2 * WORD_S + 0.05)
            if what == "no recognizer":
                scene.recognizer.fail = ProviderError("out of memory")
            await scene.room.say(BEN, sound, terminator=False)
        quiet = trio.current_time()
        await trio.sleep(20)
    assert quiet < scene.room.frames[0].time < quiet + HOLD_S
    assert scene.heard[0] == ("Ana", QUESTION, ANSWER)


async def test_who_has_interrupted_holds_up_nobody_else(
    autojump_clock: MockClock,
) -> None:
    """Ben stops Ana's reply with his last word, and Cleo's has waited."""
    config = attrs.evolve(
        CONFIG, barge_in=BargeInConfig(confirm_ms=5000, min_words=9, urgent=())
    )
    scene = Scene(config)
    scene.model.replies[QUESTION] = f"{STORY}."
    async with running(scene):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, QUESTION)
            await trio.sleep(0.05)
            nursery.start_soon(scene.say, "good morning", Speaker(3, "Cleo"))
        await trio.sleep(1)
        await scene.say("not so much", BEN)
        stopped = trio.current_time()
        await trio.sleep(20)
    assert [speaker for speaker, _, _ in scene.heard] == ["Ana", "Cleo", "Ben"]
    assert scene.heard[0][2] != f"{STORY}."
    cleo = scene.talk_spurts[-2][0]
    assert cleo.time == pytest.approx(stopped, abs=0.1)


async def test_a_breath_held_for_who_has_finished_meanwhile_is_let_go(
    autojump_clock: MockClock,
) -> None:
    """Ana goes on while Ben's noise holds up her reply, and talks longer than it."""
    async with running(Scene()) as scene:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, QUESTION)
            await trio.sleep(2 * WORD_S - 0.2)
            nursery.start_soon(scene.room.say, BEN, NOISE)
            await trio.sleep(0.8)
            assert "ducked" in scene.names(1)
            await scene.say(STORY)
        await trio.sleep(20)
    told = f"{QUESTION} {STORY}"
    assert scene.heard == [("Ana", told, f"you said {told}.")]


async def test_its_own_speaker_goes_on_in_the_same_turn_meanwhile(
    autojump_clock: MockClock,
) -> None:
    async with running(Scene()) as scene:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask_while_ben_talks, scene)
            await trio.sleep(1.6)
            assert "floor_taken" in scene.names(1)
            await scene.say("a story")
        await trio.sleep(20)
    assert scene.heard[0] == (
        "Ana",
        f"{QUESTION} a story",
        f"you said {QUESTION} a story.",
    )
    assert scene.heard[1][0] == "Ben"


async def test_three_who_talk_at_once_are_all_answered(
    autojump_clock: MockClock,
) -> None:
    people = [ANA, BEN, Speaker(3, "Cleo")]
    async with running(Scene()) as scene:
        async with trio.open_nursery() as nursery:
            for count, person in enumerate(people, 4):
                told = " ".join(STORY.split()[:count])
                nursery.start_soon(scene.say, told, person)
                await trio.sleep(0.1)
        assert not scene.room.frames
        await trio.sleep(40)
    assert [speaker for speaker, _, _ in scene.heard] == ["Ana", "Ben", "Cleo"]
    assert all(heard == f"you said {said}." for _, said, heard in scene.heard)
    assert len(scene.talk_spurts) == 3
