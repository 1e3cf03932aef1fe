"""Two agents and a person in one channel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from tests.e2e.agents import agent_config, converse, running_agent
from tests.e2e.sse_server import open_sse_server, says

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.murmur import OpenServer

SILENT_S = 6.0


async def test_they_fall_silent_by_themselves(
    murmur_server: OpenServer, tmp_path: Path
) -> None:
    async with (
        murmur_server() as server,
        open_sse_server(lambda _request: says("what time is it")) as one_thinks,
        open_sse_server(lambda _request: says("turn on the radio")) as two_thinks,
    ):
        common = {
            "mumble__server": server.host,
            "mumble__port": server.port,
            "mumble__trust": "ca",
            "mumble__ca_file": str(server.ca_file),
            "llm__providers": ["openai"],
        }
        one = agent_config(
            tmp_path, **common, mumble__user="one", llm__openai__base_url=one_thinks.url
        )
        two = agent_config(
            tmp_path, **common, mumble__user="two", llm__openai__base_url=two_thinks.url
        )
        async with running_agent(one) as first, running_agent(two) as second:
            await converse(one, "good morning", wait_s=15.0)
            agents = (first, second)
            with trio.fail_after(60):
                before = -1
                while before != (now := sum(len(a.events) for a in agents)):
                    before = now
                    await trio.sleep(SILENT_S)
            # Each answered the person and the other one. Its replies to agents are
            # counted from zero again when the person has been answered.
            for agent in agents:
                spoken = len(agent.named("first_frame"))
                assert 2 <= spoken <= 1 + 2 * agent.config.agent.max_agent_replies
            # A person gets both to talk again.
            counts = [len(agent.named("final")) for agent in agents]
            await converse(one, "good morning", wait_s=15.0)
            with trio.fail_after(10):
                for agent, count in zip(agents, counts, strict=True):
                    await agent.until("final", count + 1)
