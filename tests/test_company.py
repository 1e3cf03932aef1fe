"""Whom the agent listens to, answers, and lets interrupt it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from tests.fakes import ANA, BEN
from tests.scene import CONFIG, Scene, running
from trioagent.config import AgentConfig
from trioagent.decisions.company import Company
from trioagent.interfaces import Speaker

if TYPE_CHECKING:
    from trio.testing import MockClock

ROBO = Speaker(9, "Robo", agent=True)
TALL_STORY = "one two three four five six seven eight nine ten."


def scene_with(**agent: object) -> Scene:
    return Scene(attrs.evolve(CONFIG, agent=AgentConfig(**agent)))


def test_agents_among_themselves_fall_silent_until_a_person_spoke() -> None:
    company = Company(AgentConfig(max_agent_replies=2), "trioagent")
    for _ in range(2):
        assert company.refusal(ROBO, "hello", 0) == ""
        company.answered(ROBO, 0)
    assert company.refusal(ROBO, "hello", 0) == "agents among themselves"
    assert company.refusal(ANA, "hello", 0) == ""
    company.answered(ANA, 0)
    assert company.refusal(ROBO, "hello", 0) == ""


async def test_another_agent_is_answered_a_few_times(
    autojump_clock: MockClock,
) -> None:
    async with running(scene_with(max_agent_replies=2)) as scene:
        for word in ("alpha", "bravo", "charlie", "delta"):
            await scene.say(f"{word} is good", ROBO)
            await trio.sleep(3)
        await scene.say("hello there")
        await trio.sleep(3)
        await scene.say("echo is good", ROBO)
        await trio.sleep(3)
    said = [said for _, said, _ in scene.heard]
    assert said == ["alpha is good", "bravo is good", "hello there", "echo is good"]


async def test_another_agent_does_not_interrupt(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.model.replies["tell me"] = TALL_STORY
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(1)
        await scene.say("stop everything now", ROBO)
        await trio.sleep(6)
    assert scene.heard[0][2] == TALL_STORY
    assert "ducked" not in scene.names(1)


async def test_only_who_calls_is_answered(autojump_clock: MockClock) -> None:
    async with running(scene_with(respond="addressed", names=("Jarvis",))) as scene:
        await scene.say("what a day")
        await trio.sleep(2)
        await scene.say("jarvis what time is it")
        await trio.sleep(6)
        await scene.say("and tomorrow please")  # its attention lasts
        await trio.sleep(60)
        await scene.say("what a day")
        await trio.sleep(2)
    said = [said for _, said, _ in scene.heard]
    assert said == ["jarvis what time is it", "and tomorrow please"]
    assert len(scene.model.prompts) == 2  # the others cost no request


async def test_people_may_talk_while_it_answers_one_of_them(
    autojump_clock: MockClock,
) -> None:
    scene = scene_with(respond="addressed", names=("Jarvis",))
    scene.model.replies["jarvis tell me"] = TALL_STORY
    async with running(scene):
        await scene.say("jarvis tell me")
        await trio.sleep(0.8)
        await scene.say("pass the salt", BEN)
        await trio.sleep(6)
        assert scene.heard == [("Ana", "jarvis tell me", TALL_STORY)]
        assert "ducked" not in scene.names(1)
        await scene.say("jarvis tell me")
        await trio.sleep(0.8)
        await scene.say("jarvis be quiet", BEN)
        await trio.sleep(6)
    assert scene.heard[1][2] != TALL_STORY
    assert scene.heard[2][:2] == ("Ben", "jarvis be quiet")


async def test_who_is_ignored_is_not_heard(autojump_clock: MockClock) -> None:
    async with running(scene_with(ignore=("Ben",))) as scene:
        await scene.say("hello there", BEN)
        await trio.sleep(3)
        await scene.say("hello there", ANA)
        await trio.sleep(3)
    assert [who for who, _, _ in scene.heard] == ["Ana"]


async def test_who_turns_out_to_be_an_agent_is_one_from_then_on(
    autojump_clock: MockClock,
) -> None:
    scene = scene_with(max_agent_replies=0)
    async with running(scene):
        scene.room.join(Speaker(9, "Robo"))
        await scene.say("hello there", Speaker(9, "Robo"))
        await trio.sleep(3)
        scene.room.join(ROBO)
        await scene.say("hello again", ROBO)
        await trio.sleep(3)
    assert [said for _, said, _ in scene.heard] == ["hello there"]


async def test_who_waits_for_the_floor_may_still_interrupt(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.model.replies["tell me"] = TALL_STORY
    async with running(scene):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, "tell me", ANA)
            await trio.sleep(0.05)
            nursery.start_soon(scene.say, "good evening my friend", BEN)
        await trio.sleep(1.2)  # Ana is answered, Ben waits
        assert scene.room.frames
        await scene.say("stop it now", BEN)
        await trio.sleep(8)
    assert scene.find("interrupted").data["by"] == "Ben"
    assert scene.heard[-1][1] == "good evening my friend stop it now"
