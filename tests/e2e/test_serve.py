"""An agent whose models are in other processes, which are killed while it talks."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio

from providers.rooms.murmurd import find_murmurd
from tests.e2e.agents import agent_config, converse, running_agent, transcripts
from tests.e2e.serving import RECOGNIZER, SYNTHESIZER, Serving, serving
from tests.e2e.sse_server import open_sse_server, says

if TYPE_CHECKING:
    from pathlib import Path

    from trioagent.config import Config

LONG = "what is the weather like in paris tomorrow"


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The embedded server's certificate is kept in the test's own folder."""
    if find_murmurd() is None:
        pytest.skip("murmurd is not installed: apt-get install mumble-server")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


def _config(folder: Path, llm: str, *asr: Serving, **more: object) -> Config:
    chosen: dict[str, object] = {
        "llm__providers": ["openai"],
        "llm__openai__base_url": llm,
        "agent__failure_notice": "sorry",
        "asr__provider": "wyoming",
        "asr__model": "",
        "asr__wyoming__uris": [server.uri for server in asr],
    }
    return agent_config(folder, **{**chosen, **more})


def _callers(folder: Path, config: Config) -> Config:
    """What the caller uses: recognition of its own, in the same room."""
    return agent_config(folder, mumble__port=config.mumble.port)


async def _ask(
    folder: Path, config: Config, text: str = LONG, **plan: Any
) -> list[str | None]:
    return transcripts(await converse(_callers(folder, config), text, **plan))


async def _killed_at(agent: Any, serving: Serving, turns: int) -> None:
    """Kill the server in the middle of somebody's words: of the n-th turn."""
    await agent.until("partial", turns)
    assert await serving.end(signal.SIGKILL) == -signal.SIGKILL


async def test_the_recognizer_is_killed_while_somebody_speaks(tmp_path: Path) -> None:
    """That turn ends with a spoken apology; when it is back, the next one works."""
    async with (
        open_sse_server(says("good morning")) as llm,
        serving(*RECOGNIZER) as asr,
    ):
        config = _config(tmp_path, llm.url, asr)
        async with running_agent(config) as agent:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_killed_at, agent, asr, 1)
                assert await _ask(tmp_path, config) == ["sorry"]
            errors = [str(data["error"]) for data in agent.named("provider_failed")]
            assert asr.uri in errors[0]
            async with serving(*RECOGNIZER, uri=asr.uri):
                assert await _ask(tmp_path, config) == ["good morning"]
    assert [r.body["messages"][-1]["content"] for r in llm.requests][-1].endswith(LONG)


async def test_with_a_second_recognizer_nobody_notices(tmp_path: Path) -> None:
    async with (
        open_sse_server(says("good morning")) as llm,
        serving(*RECOGNIZER) as first,
        serving(*RECOGNIZER) as second,
    ):
        config = _config(tmp_path, llm.url, first, second)
        async with running_agent(config) as agent:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_killed_at, agent, first, 1)
                assert await _ask(tmp_path, config) == ["good morning"]
            assert agent.named("provider_failed") == []
            finals = [data["text"] for data in agent.named("final")]
            assert finals == [LONG]


async def test_the_synthesizer_is_killed_and_another_takes_over(tmp_path: Path) -> None:
    async with (
        open_sse_server(says("good morning")) as llm,
        serving(*RECOGNIZER) as asr,
        serving(*SYNTHESIZER) as first,
        serving(*SYNTHESIZER) as second,
    ):
        config = _config(
            tmp_path,
            llm.url,
            asr,
            tts__provider="wyoming",
            tts__wyoming__uris=[first.uri, second.uri],
        )
        async with running_agent(config):
            await first.end(signal.SIGKILL)
            assert await _ask(tmp_path, config) == ["good morning"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_leaves_when_it_is_asked_to(
    tmp_path: Path, number: signal.Signals
) -> None:
    path = tmp_path / "socket"
    async with serving(*SYNTHESIZER, uri=f"unix://{path}") as tts:
        assert path.is_socket()
        stream = await trio.open_unix_socket(path)
        assert await tts.end(number) == 0
        async with stream:
            assert await stream.receive_some() == b""
    assert not path.exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--uri", "localhost:10300"], "no address of a Wyoming server"),
        (["--provider", "none"], 'no asr provider is called "none"'),
        (["--max-connections", "0"], "--max-connections: must be more than 0"),
        (["--set", "asr.sherpa.model=/none", "--provider", "sherpa"], "/none"),
    ],
)
async def test_what_cannot_be_served_is_said(arguments: list[str], said: str) -> None:
    done = await trio.run_process(
        [sys.executable, "-m", "trioagent", "serve", "asr", *arguments],
        capture_stderr=True,
        check=False,
    )
    assert done.returncode in {1, 2}
    assert said in done.stderr.decode()
    assert "Traceback" not in done.stderr.decode()
