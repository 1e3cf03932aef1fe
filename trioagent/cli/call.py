"""`trioagent call`: another user, who speaks, listens and takes the time."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from trioagent.app import open_recognizer, open_room, open_synthesizer
from trioagent.calling.at_once import speak
from trioagent.calling.audio_files import read_wav, write_wav
from trioagent.calling.caller import call
from trioagent.calling.plan import CallPlan, CallResult
from trioagent.calling.utterances import Utterance
from trioagent.cli.arguments import agent_configs_of
from trioagent.configuration.problems import did_you_mean
from trioagent.errors import ConfigError
from trioagent.interfaces import HEARING_RATE_HZ, Recognizer
from trioagent.members import names_of
from trioagent.shutdown import until_signal
from trioagent.visible import json_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trioagent.config import Config


def run(given: argparse.Namespace) -> int:
    """Make the call; 1 if an utterance was not answered."""
    config = config_of_called(given)
    if not given.wavs and not given.say:
        raise ConfigError("nothing to say", hint='give WAV files or --say "TEXT"')
    if given.interrupt_with and given.interrupt_say:
        raise ConfigError("--interrupt-with and --interrupt-say exclude each other")
    if given.save and not given.save.parent.is_dir():
        raise ConfigError(
            f"cannot write {given.save}: no such folder",
            hint="give a file in a folder that exists",
        )
    results: list[CallResult] = []

    async def main() -> None:
        plan = await _plan(config, given)
        async with _recognizer(config, wanted=given.transcribe) as recognizer:
            await _call(config, given, plan, recognizer, results)
        if given.save:
            heard = [np.zeros(0, np.int16), *(r.heard for r in results)]
            write_wav(given.save, np.concatenate(heard), HEARING_RATE_HZ)

    trio.run(until_signal, main)
    wanted = [r for r in results if not r.interrupts]
    answered = [r for r in wanted if r.ttfa_ms is not None]
    said = len(given.wavs) + len(given.say)
    return 0 if len(answered) == said else 1


def config_of_called(given: argparse.Namespace) -> Config:
    """The configuration of the agent that is called: the first, or the one named.

    Raises:
        ConfigError: none has that name.
    """
    configs = agent_configs_of(given)
    if not given.agent:
        return configs[0]
    names = names_of(configs)
    for config, name in zip(configs, names, strict=True):
        if given.agent in (name, config.mumble.user):
            return config
    near = did_you_mean(given.agent, names)
    raise ConfigError(
        f"--agent {given.agent}: no agent has this name{near}",
        hint=f"there are: {', '.join(names)}",
    )


async def _plan(config: Config, given: argparse.Namespace) -> CallPlan:
    """Read the files and synthesize the texts, before anyone is kept waiting."""
    utterances = [_recorded(path) for path in given.wavs]
    interruption = _recorded(given.interrupt_with) if given.interrupt_with else None
    texts = [*given.say, *([given.interrupt_say] if given.interrupt_say else [])]
    if texts:
        async with open_synthesizer(config) as synthesizer:
            rate_hz = synthesizer.rate_hz
            spoken = [
                Utterance(text, await speak(synthesizer, text), rate_hz, noisy=False)
                for text in texts
            ]
        if given.interrupt_say:
            interruption = spoken.pop()
        utterances += spoken
    return CallPlan(
        utterances=tuple(utterances),
        interruption=interruption,
        interrupt_at_s=given.interrupt_at,
        release=given.release,
        hold_ms=given.hold_ms,
        reply_timeout_s=given.timeout,
    )


def _recorded(path: Path) -> Utterance:
    return Utterance(path.name, read_wav(path, HEARING_RATE_HZ), HEARING_RATE_HZ)


@asynccontextmanager
async def _recognizer(
    config: Config, *, wanted: bool
) -> AsyncIterator[Recognizer | None]:
    if not wanted:
        yield None
        return
    async with open_recognizer(config) as recognizer:
        yield recognizer


async def _call(
    config: Config,
    given: argparse.Namespace,
    plan: CallPlan,
    recognizer: Recognizer | None,
    results: list[CallResult],
) -> None:
    ours = attrs.evolve(config.mumble, user=given.user, comment="")
    send, receive = trio.open_memory_channel[CallResult](0)
    async with open_room(ours) as room, trio.open_nursery() as nursery:

        async def make_call() -> None:
            with send:
                await call(room, config.mumble.user, plan, send, recognizer)

        nursery.start_soon(make_call, name="call")
        async for result in receive:
            results.append(result)
            _print(result, as_json=given.json)


def _print(result: CallResult, *, as_json: bool) -> None:
    row = result.to_json()
    if as_json:
        print(json_line(row), flush=True)  # noqa: T201 - --json
        return
    said = f"  [interrupting] {row['said']}" if result.interrupts else row["said"]
    numbers = ", ".join(
        f"{key} {'-' if value is None else value}"
        for key, value in row.items()
        if key not in ("said", "interrupts", "transcript")
    )
    print(f"{said}: {numbers}", flush=True)  # noqa: T201 - what the user asked for
    if result.transcript is not None:
        print(f"    heard: {result.transcript}", flush=True)  # noqa: T201 - as above
