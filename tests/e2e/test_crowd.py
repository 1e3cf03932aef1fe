"""A small crowd that talks over each other, and the whole agent among them.

How this is with fifty of them for a minute is what `bench/room.py` measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.e2e.agents import agent_config, converse, running_agent, transcripts
from tests.e2e.crowd import crowd_in, talk_of
from tests.e2e.room_clients import NATIVE, config_for
from tests.e2e.talking import settled
from tests.helpers_speech import say
from trioagent.interfaces import VoicePacket

if TYPE_CHECKING:
    from pathlib import Path

    from providers.rooms.murmurd import Murmurd
    from tests.e2e.murmur import OpenServer
    from trioagent.config import Config

CLIENTS = 8
CHATTER = (
    "what is the weather in london today",
    "i would like some soup and bread please",
    "the meeting with bob is on monday",
    "book a flight to paris and a table for seven",
)
"""Nobody calls the agent, whose name is Frank."""


def _config(folder: Path, server: Murmurd, **more: object) -> Config:
    """An agent on `server`, over UDP."""
    place = {
        "mumble__server": server.host,
        "mumble__port": server.port,
        "mumble__trust": "ca",
        "mumble__ca_file": str(server.ca_file),
    }
    return agent_config(folder, **place, **more)


async def test_in_a_crowd_that_talks_who_calls_the_agent_is_answered_and_nobody_else(
    tmp_path: Path, murmur_server: OpenServer
) -> None:
    talks = [talk_of(say(text)) for text in CHATTER]
    name = {"agent__respond": "addressed", "agent__names": ["frank"]}
    async with (
        murmur_server() as server,
        running_agent(config := _config(tmp_path, server, **name)) as agent,
        crowd_in(config.mumble, CLIENTS, talks) as crowd,
    ):
        crowd.talking = True
        await agent.until("final", len(CHATTER))
        results = await converse(config, "frank good morning", reply_timeout_s=20.0)
        crowd.talking = False
    finals = {(journal.speaker, e.data["text"]) for journal, e in agent.events
              if e.name == "final"}  # fmt: skip
    spoke = {j.speaker for j, e in agent.events if e.name == "first_frame"}
    assert ("caller", "frank good morning") in finals
    assert len({speaker for speaker, _ in finals}) == len(CHATTER) + 1
    assert spoke == {"caller"}
    # Nobody but the one whom it answers may interrupt it.
    assert agent.named("interrupted") == []
    # Echo says what it heard; the caller heard all of it, whatever others said.
    assert transcripts(results) == ["frank good morning"]


async def test_each_voice_of_a_crowd_is_heard_and_none_is_lost(
    murmur_server: OpenServer,
) -> None:
    talks = [talk_of(say(text)) for text in CHATTER]
    voices: set[str] = set()
    async with (
        murmur_server() as server,
        NATIVE.open(config_for(server, "listener")) as room,
        crowd_in(config_for(server, "crowd"), CLIENTS, talks) as crowd,
    ):
        await settled(room)
        crowd.talking = True
        with trio.move_on_after(3.0):
            async for event in room.events:
                if isinstance(event, VoicePacket):
                    voices.add(event.speaker.name)
        figures = room.figures  # type: ignore[attr-defined]
    assert len(voices) == len(CHATTER)
    assert figures["speakers"] == CLIENTS
    assert figures["voice_received"] > 300
    for reason in ("late", "undecodable", "flooding", "malformed", "elsewhere"):
        assert figures[f"voice_{reason}"] == 0
    assert figures["inbox_dropped"] == 0
