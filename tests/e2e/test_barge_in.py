"""Interruptions and several people, with the whole agent on real parts.

How quickly all this happens is what `bench/barge_in.py` measures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio

from providers.rooms.murmurd import find_murmurd
from tests.e2e.agents import agent_config, converse, running_agent, transcripts
from tests.e2e.cough import cough
from tests.e2e.sse_server import Answer, SseServer, open_sse_server, says
from tests.helpers_speech import words
from trioagent.app import open_recognizer
from trioagent.calling.at_once import transcribe

if TYPE_CHECKING:
    from pathlib import Path

    from trioagent.config import Config

STORY = (
    "my name is emma and i live in london, the meeting with bob is on monday, and "
    "the weather in paris is good. what is your name? turn on the light in the kitchen"
)
TALE = "i live in london and the meeting with bob is on monday"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded server's certificate is kept in the test's own folder."""
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def _config(folder: Path, server: SseServer, **more: object) -> Config:
    chosen: dict[str, object] = {
        "llm__providers": ["openai"],
        "llm__openai__base_url": server.url,
    }
    return agent_config(folder, **chosen, **more)


def _asked(body: dict[str, Any]) -> str:
    """What a request wants a reply to."""
    return str(body["messages"][-1]["content"])


def _prompt(server: SseServer) -> list[tuple[str, str]]:
    """The last prompt that the server got, without the system's part."""
    return [
        (message["role"], message["content"])
        for message in server.requests[-1].body["messages"]
        if message["role"] != "system"
    ]


async def test_stop_interrupts_and_the_next_prompt_holds_only_heard_words(
    tmp_path: Path,
) -> None:
    def script(body: dict[str, Any]) -> Answer:
        return says("okay" if "stop" in _asked(body) else STORY)

    async with open_sse_server(script) as server:
        config = _config(tmp_path, server)
        async with running_agent(config) as agent:
            told, stopped = await converse(
                config, "tell me a story", interrupt_with="stop", interrupt_at_s=1.5
            )
    assert agent.named("ducked") == [{"by": "caller"}]
    assert agent.named("interrupted") == [{"reason": "barge-in", "by": "caller"}]
    # The whole story takes nine seconds.
    assert told.reply_s < 6
    assert stopped.transcript == "okay"
    asked, heard, interrupting = _prompt(server)
    assert (asked, interrupting) == (
        ("user", "tell me a story"),
        ("user", "stop"),
    )
    remembered = words(heard[1])
    assert remembered == words(STORY)[: len(remembered)]
    assert 2 <= len(remembered) < len(words(STORY)) / 2


async def test_a_cough_holds_the_reply_and_it_goes_on_with_no_word_lost_or_repeated(
    tmp_path: Path,
) -> None:
    async with open_sse_server(says(TALE)) as server:
        config = _config(tmp_path, server)
        async with running_agent(config) as agent:
            before, after = await converse(
                config,
                "tell me a story",
                interrupt_with=cough(),
                interrupt_at_s=1.0,
                reply_timeout_s=4.0,
            )
        async with open_recognizer(config) as recognizer:
            heard = np.concatenate([before.heard, after.heard])
            assert await transcribe(recognizer, heard) == TALE
    assert before.reply_s > 0.5
    # It did pause: what came after the cough is a talk spurt of its own.
    assert after.reply_s > 0.5
    assert agent.named("ducked")
    assert len(agent.named("ducked")) == len(agent.named("restored"))
    assert agent.named("interrupted") == []
    assert "answered" in [data["kind"] for data in agent.named("outcome")]


async def test_two_who_talk_at_once_are_both_answered_each_for_its_own_words(
    tmp_path: Path,
) -> None:
    questions = {"ana": "what is the weather in london", "bob": "good morning"}
    answers = {"ana": "book a flight to paris", "bob": "i live in madrid"}

    def script(body: dict[str, Any]) -> Answer:
        return says(answers["ana" if "weather" in _asked(body) else "bob"])

    async with open_sse_server(script) as server:
        config = _config(tmp_path, server)
        async with running_agent(config) as agent, trio.open_nursery() as nursery:

            async def talk(user: str) -> None:
                # Patient enough to hear out both replies: everybody hears them.
                results = await converse(
                    config, questions[user], user=user, reply_gap_s=2.0
                )
                heard[user] = transcripts(results)

            heard: dict[str, list[str | None]] = {}
            for user in questions:
                nursery.start_soon(talk, user, name=user)
    finals = {journal.speaker: e.data["text"] for journal, e in agent.events
              if e.name == "final"}  # fmt: skip
    assert finals == questions
    assert agent.named("interrupted") == []
    assert [data["kind"] for data in agent.named("outcome")] == ["answered"] * 2
    # One after the other: the second begins when the first is done.
    sounding = [(e.name, journal.speaker) for journal, e in agent.events
                if e.name in ("first_frame", "last_frame")]  # fmt: skip
    one, other = sounding[0][1], sounding[2][1]
    assert {one, other} == set(questions)
    assert sounding == [
        (name, who) for who in (one, other) for name in ("first_frame", "last_frame")
    ]
    both = f"{answers[one]} {answers[other]}"
    for (transcript,) in heard.values():
        # The first reply may sound for a frame before it lets the other finish.
        assert transcript is not None
        assert transcript.endswith(both)
