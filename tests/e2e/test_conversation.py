"""Conversations with the whole agent, on real parts, over a real Mumble server."""

from __future__ import annotations

import json
import logging
import os
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio

from providers.rooms.murmurd import find_murmurd
from tests.e2e.agents import (
    METRICS,
    agent_config,
    converse,
    free_port,
    overrides,
    running_agent,
    transcripts,
)
from tests.e2e.murmur import until
from tests.e2e.sse_server import Answer, SseServer, open_sse_server, says
from tests.helpers_speech import words
from trioagent.configuration.file import load_config
from trioagent.errors import RoomUnreachable

if TYPE_CHECKING:
    from pathlib import Path

    from providers.rooms.murmurd import Murmurd
    from tests.e2e.murmur import OpenServer
    from trioagent.config import Config

STORY = (
    "my name is emma and i live in london, the meeting with bob is on monday, and "
    "the weather in paris is good. what is your name? turn on the light in the kitchen"
)
KEY = "a-secret-key"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded server's certificate is kept in the test's own folder."""
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def quiet_log(caplog: pytest.LogCaptureFixture) -> Any:
    """Fails the test if a traceback or an error was logged."""
    yield
    for record in caplog.get_records("call"):
        assert record.exc_info is None, record.getMessage()
        assert record.levelno < logging.ERROR, record.getMessage()
        assert "Traceback" not in record.getMessage()


pytestmark = pytest.mark.usefixtures("quiet_log")


def _with_llm(folder: Path, url: str, **more: object) -> Config:
    chosen: dict[str, object] = {
        "llm__providers": ["openai"],
        "llm__openai__base_url": url,
        "llm__openai__api_key": KEY,
        "llm__openai__first_token_timeout_s": 0.4,
        "llm__openai__token_timeout_s": 0.4,
        "agent__failure_notice": "sorry",
        "llm__fallback_notice": "i need some help.",
    }
    return agent_config(folder, **{**chosen, **more})


def _prompt(server: SseServer) -> list[tuple[str, str]]:
    """The last prompt that the server got, without the system's part."""
    system, *rest = server.requests[-1].body["messages"]
    assert system["role"] == "system"
    return [(message["role"], message["content"]) for message in rest]


async def test_a_question_is_answered_and_remembered(tmp_path: Path) -> None:
    async with open_sse_server(says("book a flight to paris")) as server:
        config = _with_llm(tmp_path, server.url)
        async with running_agent(config):
            first = await converse(config, "what is the weather in london", user="ana")
            server.script = says("good morning")
            second = await converse(config, "what time is it", user="bob")
    assert transcripts(first) == ["book a flight to paris"]
    assert transcripts(second) == ["good morning"]
    # Everything but the silence that is waited for takes no time worth speaking of.
    assert first[0].ttfa_ms is not None
    assert 100 < first[0].ttfa_ms < 5000
    assert _prompt(server) == [
        ("user", "what is the weather in london"),
        ("assistant", "book a flight to paris"),
        ("user", "bob: what time is it"),
    ]
    lines = (tmp_path / "latency.jsonl").read_text().splitlines()
    turns = [json.loads(line) for line in lines]
    assert [(t["turn"], t["speaker"]) for t in turns] == [(1, "ana"), (2, "bob")]
    for turn in turns:
        assert turn["outcome"] == "answered"
        assert all(turn[key] >= 0 for key in METRICS)
        assert turn["total_turn_ms"] > turn["total_ttfa_ms"]
        assert turn["total_ttfa_ms"] >= turn["vad_duration_ms"] >= 190
        assert turn["drafts"] >= 1
        assert turn["underruns"] == 0


async def test_an_interruption_stops_the_reply_and_only_heard_words_are_remembered(
    tmp_path: Path,
) -> None:
    async with open_sse_server(says(STORY)) as server:
        config = _with_llm(tmp_path, server.url)
        async with running_agent(config) as agent:
            story = converse(
                config, "tell me a story", interrupt_with="stop", interrupt_at_s=1.5
            )
            async with trio.open_nursery() as nursery:

                async def another_answer() -> None:
                    await agent.until("first_frame")
                    server.script = says("okay")

                nursery.start_soon(another_answer)
                told, stopped = await story
    assert agent.named("interrupted") == [{"reason": "barge-in", "by": "caller"}]
    assert told.interruption is not None
    assert told.interruption.stop_ms is not None
    # The whole story takes nine seconds.
    assert told.interruption.stop_ms < 3000
    assert told.reply_s < 6
    assert stopped.transcript == "okay"
    asked, heard, interrupting = _prompt(server)
    assert asked == ("user", "tell me a story")
    assert interrupting == ("user", "stop")
    assert heard[0] == "assistant"
    remembered = words(heard[1])
    assert remembered == words(STORY)[: len(remembered)]
    # What the caller heard ends where the history does, give or take a cut word; of
    # the last second of what breaks off, the recognizer may lose more.
    assert -2 <= len(remembered) - len(words(told.transcript or "")) <= 4
    assert 2 <= len(remembered) < len(words(STORY)) / 2


async def test_a_model_that_is_down_is_announced_once_and_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "trioagent")
    port = free_port()
    config = _with_llm(
        tmp_path, f"http://127.0.0.1:{port}/v1", llm__providers=["openai", "echo"]
    )
    async with running_agent(config):
        down = await converse(config, "good morning", "thank you very much")
        async with open_sse_server(says("i live in madrid"), port=port):
            await until(lambda: "is back" in caplog.text, timeout_s=20)
            back = await converse(config, "where is alice")
    assert transcripts(down) == ["i need some help good morning", "thank you very much"]
    assert transcripts(back) == ["i live in madrid"]


FAILURES = {
    "401": Answer(status=401, error={"error": {"message": "bad key"}}),
    "404": Answer(status=404, error={"error": {"message": "no such model"}}),
    "429": Answer(status=429, error={"error": {"message": "slow down"}}),
    "500": Answer(status=500, error={"error": {"message": "out of memory"}}),
    "garbage": Answer(pieces=((0, b"data: {broken\n\n"), (0, b"\x00\xff\n\n"))),
    "stall": Answer(ending="stall"),
    "hang up": Answer(hang_up=True),
}


async def test_after_each_kind_of_failure_the_agent_apologizes_and_goes_on(
    tmp_path: Path,
) -> None:
    answers = [*FAILURES.values(), says("good morning")]

    def nth(body: dict[str, Any]) -> Answer:
        """Each turn's answer, however many drafts of it there are."""
        asked = [m for m in body["messages"] if m["role"] == "user"]
        return answers[len(asked) - 1]

    async with open_sse_server(nth) as server:
        # Each turn is to ask, however many have failed.
        config = _with_llm(tmp_path, server.url, breaker__failures=100)
        async with running_agent(config) as agent:
            replies = await converse(config, *["hello"] * len(answers))
    assert transcripts(replies) == ["sorry"] * len(FAILURES) + ["good morning"]
    errors = [str(data["error"]) for data in agent.named("provider_failed")]
    for code in ("401", "404", "429", "500"):
        assert any(code in error for error in errors), errors
    assert KEY not in "".join(errors)


async def test_a_reply_that_breaks_off_is_spoken_as_far_as_it_came(
    tmp_path: Path,
) -> None:
    broken = Answer(pieces=((0, "good morning. "), (0, "the light ")), ending="cut")
    async with open_sse_server(broken) as server:
        config = _with_llm(tmp_path, server.url, turn__early_start="off")
        async with running_agent(config) as agent:
            (failed,) = await converse(config, "hello")
            server.script = says("thank you very much")
            (next_one,) = await converse(config, "what day is it")
    heard = words(failed.transcript or "")
    assert heard[:2] == ["good", "morning"]
    assert heard[-1] == "sorry"
    assert [data["kind"] for data in agent.named("outcome")] == ["failed", "answered"]
    assert next_one.transcript == "thank you very much"


async def _killed_in_mid_reply(server: Murmurd, config: Config) -> None:
    async with running_agent(config) as agent:
        async with trio.open_nursery() as nursery:

            async def kill() -> None:
                await agent.until("first_frame")
                await trio.sleep(0.5)
                await server.kill()

            nursery.start_soon(kill)
            with pytest.raises(RoomUnreachable):
                await converse(config, "turn on the light in the kitchen")
        await trio.sleep(3.0)
        await server.start()
        answered = await converse(config, "good morning")
    assert transcripts(answered) == ["good morning"]
    (interrupted,) = agent.named("interrupted")
    assert interrupted["reason"] == "link lost"


async def test_the_server_dies_in_mid_reply_and_the_agent_is_back_in_its_channel(
    murmur_server: OpenServer, tmp_path: Path
) -> None:
    async with murmur_server(channels=("Lobby/Bots",)) as server:
        config = agent_config(
            tmp_path,
            mumble__server=server.host,
            mumble__port=server.port,
            mumble__channel="Lobby/Bots",
            mumble__trust="ca",
            mumble__ca_file=str(server.ca_file),
        )
        await _killed_in_mid_reply(server, config)


async def test_the_command_calls_as_the_function_does(tmp_path: Path) -> None:
    settings = overrides(tmp_path)
    config = load_config(None, settings)
    command = [sys.executable, "-m", "trioagent", "call", "--transcribe", "--json"]
    command += [word for setting in settings for word in ("--set", setting)]
    command += ["--say", "good morning", "--save", str(tmp_path / "heard.wav")]
    async with running_agent(config):
        done = await trio.run_process(
            command,
            capture_stdout=True,
            capture_stderr=True,
            check=False,
            env={**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")},
        )
    assert done.returncode == 0, done.stderr.decode()
    (row,) = map(json.loads, done.stdout.splitlines())
    assert row["said"] == row["transcript"] == "good morning"
    assert row["ttfa_ms"] > 0
    # 16 bits at 16 kHz, as long as it says.
    assert (tmp_path / "heard.wav").stat().st_size >= row["reply_s"] * 32_000
