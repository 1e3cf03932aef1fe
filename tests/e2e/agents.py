"""The whole agent in this process, and somebody who talks to it.

Real parts only: murmurd, the tiny recognizer, espeak-ng, and a language model behind
HTTP. Texts are made of the words that the recognizer knows.
"""

from __future__ import annotations

import json
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from tests.helpers_speech import TINY_MODEL
from trioagent.app import open_recognizer, open_room, open_synthesizer, run_agent
from trioagent.calling.at_once import speak
from trioagent.calling.caller import call
from trioagent.calling.plan import CallPlan, CallResult
from trioagent.calling.utterances import Utterance
from trioagent.config import Config
from trioagent.configuration.file import load_config
from trioagent.journal.events import Event, TurnJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

METRICS = {
    *("vad_duration_ms", "asr_ms", "llm_ttft_ms", "llm_total_ms", "tts_ttfa_ms"),
    *("total_ttfa_ms", "total_turn_ms"),
}
START_TIMEOUT_S = 20.0


def free_port() -> int:
    """Return a port that nobody has just now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def overrides(folder: Path, **more: object) -> list[str]:
    """Return what `--set` takes; `more` has "__" for the dots of a key."""
    keys: dict[str, object] = {
        "mumble.server": "embedded",
        "mumble.port": free_port(),
        "asr.provider": "sherpa",
        "asr.model": str(TINY_MODEL),
        "journal.latency_file": str(folder / "latency.jsonl"),
        "llm.retry_s": 0.3,
    }
    keys |= {key.replace("__", "."): value for key, value in more.items()}
    # What JSON writes of texts, numbers and lists of them, TOML reads.
    return [f"{key}={json.dumps(value)}" for key, value in keys.items()]


def agent_config(folder: Path, **more: object) -> Config:
    """Return the configuration that `overrides` makes."""
    return load_config(None, overrides(folder, **more))


@attrs.define(eq=False)
class RunningAgent:
    """An agent that is in its room. It is its own observer."""

    config: Config
    events: list[tuple[TurnJournal, Event]] = attrs.Factory(list)
    _changed: trio.Event = attrs.Factory(trio.Event)

    def __call__(self, journal: TurnJournal, event: Event) -> None:
        self.events.append((journal, event))
        self._changed.set()
        self._changed = trio.Event()

    def named(self, name: str) -> list[dict[str, Any]]:
        """What is known of all events of this name so far."""
        return [event.data for _, event in self.events if event.name == name]

    async def until(self, name: str, count: int = 1) -> None:
        """Wait until there were so many events of this name."""
        with trio.fail_after(START_TIMEOUT_S):
            await trio.lowlevel.checkpoint()
            while len(self.named(name)) < count:
                await self._changed.wait()


@asynccontextmanager
async def running_agent(config: Config) -> AsyncIterator[RunningAgent]:
    """Run the agent; the block begins when it is in its room."""
    agent, ready = RunningAgent(config), trio.Event()

    async def run() -> None:
        await run_agent(config, [agent], lambda _room: ready.set())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(run, name="agent")
        with trio.fail_after(START_TIMEOUT_S):
            await ready.wait()
        yield agent
        nursery.cancel_scope.cancel()


async def converse(
    config: Config,
    *texts: str | Utterance,
    interrupt_with: str | Utterance = "",
    user: str = "caller",
    **plan: Any,
) -> list[CallResult]:
    """Say texts to the agent as another user; return what came back, in words too.

    Keywords are fields of `CallPlan`.
    """
    async with open_synthesizer(config) as synthesizer:
        said = [
            text
            if isinstance(text, Utterance)
            else Utterance(
                text, await speak(synthesizer, text), synthesizer.rate_hz, noisy=False
            )
            for text in (*texts, interrupt_with)
            if text
        ]
    interruption = said.pop() if interrupt_with else None
    waits = {"wait_s": 15.0, "settle_s": 0.1, "reply_gap_s": 0.4}
    made = CallPlan(
        utterances=tuple(said), interruption=interruption, **{**waits, **plan}
    )
    results: list[CallResult] = []
    send, receive = trio.open_memory_channel[CallResult](100)
    # Without the comment that says of an agent what it is: this is a person.
    ours = attrs.evolve(config.mumble, user=user, comment="")
    async with open_recognizer(config) as recognizer, open_room(ours) as room:
        with send, receive:
            await call(room, config.mumble.user, made, send, recognizer)
            results += [
                receive.receive_nowait()
                for _ in range(receive.statistics().current_buffer_used)
            ]
    return results


def transcripts(results: list[CallResult]) -> list[str | None]:
    """What the caller heard, in words."""
    return [result.transcript for result in results]
