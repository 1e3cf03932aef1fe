"""What a reply cost, on its way from the model to the line and the recording."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from tests.fakes import FakeLanguageModel
from tests.scene import Scene, running
from trioagent.agent import Agent
from trioagent.chain import FallbackChain, Link
from trioagent.interfaces import Message, Outlet, Usage
from trioagent.journal.latency import usage
from trioagent.recording import format as f
from trioagent.recording.tape import RoomTape
from trioagent.recording.taps import tap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

COST = Usage(20, 16, 7, 2)


class CountingModel(FakeLanguageModel):
    async def reply(self, messages: Sequence[Message], tokens: Outlet[str]) -> Usage:
        await super().reply(messages, tokens)
        return COST


async def test_it_reaches_the_journal_and_the_tape(autojump_clock: MockClock) -> None:
    scene, tape = Scene(), RoomTape()
    parts = scene.agent.parts
    chain = FallbackChain([Link(CountingModel())])
    counted = tap(attrs.evolve(parts, language_model=chain), tape)
    scene.agent = Agent(counted, scene.config, [scene._observe, tape])
    tape.agent = scene.agent
    async with running(scene):
        await scene.say("hello there")
        await trio.sleep(5)
    assert scene.find("llm_done").data["usage"] == attrs.asdict(COST)
    (take,) = tape.takes
    replied = [e for e in take.drain()[0] if isinstance(e, f.Replied)]
    assert [entry.usage for entry in replied] == [attrs.asdict(COST)]
    events = [event for _, event in scene.events]
    assert usage(events) == attrs.asdict(COST)
    assert usage([*events, *events])["prompt_tokens"] == 40
    assert usage([]) is None
