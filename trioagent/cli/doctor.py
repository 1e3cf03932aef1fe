"""`trioagent doctor`: open each part as the agent would, and say what is wrong."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from trioagent.app import (
    BETTER_RECOGNIZER,
    EMBEDDED,
    choose_recognizer,
    embedded_server,
    open_language_models,
    open_recognizer,
    open_room,
    open_synthesizer,
    open_vad,
)
from trioagent.calling.at_once import speak, transcribe
from trioagent.cli.arguments import config_of
from trioagent.config import Config, MumbleConfig
from trioagent.configuration.file import render_config
from trioagent.errors import RoomUnreachable, TrioagentError, own_errors
from trioagent.interfaces import HEARING_RATE_HZ
from trioagent.shutdown import until_signal

if TYPE_CHECKING:
    import argparse

Check = Callable[[Config], Awaitable[str]]


@attrs.frozen
class Finding:
    """What one check found; `hint` says what to do where it is not `ok`."""

    part: str
    ok: bool
    detail: str
    hint: str = ""


def run(given: argparse.Namespace) -> int:
    """Check everything; 1 if something cannot be used."""
    config = config_of(given)
    # Each part's own log lines would only repeat what is said here.
    logging.getLogger().setLevel(max(logging.ERROR, logging.getLogger().level))
    findings: list[Finding] = []

    async def main() -> None:
        for part, check in CHECKS.items():
            finding = await _find(part, check, config)
            findings.append(finding)
            _print(finding, as_json=given.json)

    if not given.json:
        print(render_config(config))  # noqa: T201 - what the user asked for
    trio.run(until_signal, main)
    return 0 if all(f.ok for f in findings) else 1


async def _find(part: str, check: Check, config: Config) -> Finding:
    try:
        return Finding(part, ok=True, detail=await check(config))
    except (TrioagentError, BaseExceptionGroup) as error:
        errors = own_errors(error)
        detail = "; ".join(e.message for e in errors)
        hint = next((e.hint for e in errors if e.hint), "")
        return Finding(part, ok=False, detail=detail, hint=hint)


def _print(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(attrs.asdict(finding)), flush=True)  # noqa: T201 - --json
        return
    mark = "ok  " if finding.ok else "FAIL"
    lines = [f"{mark} {finding.part}: {finding.detail}"]
    if finding.hint:
        lines.append(f"       {finding.hint}")
    print("\n".join(lines), flush=True)  # noqa: T201 - what the user asked for


async def _check_vad(config: Config) -> str:
    async with open_vad(config) as vad:
        stream = vad.stream()
        stream.probability(np.zeros(stream.frame_samples, np.int16))
    return config.vad.provider


async def _check_recognizer(config: Config) -> str:
    async with open_recognizer(config) as recognizer:
        await transcribe(recognizer, np.zeros(HEARING_RATE_HZ, np.int16))
    name = choose_recognizer(config.asr)
    if config.asr.provider == "auto" and name == "pocketsphinx":
        return f"{name} (auto). {BETTER_RECOGNIZER}"
    return name


async def _check_synthesizer(config: Config) -> str:
    async with open_synthesizer(config) as synthesizer:
        pcm = await speak(synthesizer, "hello")
        length_s = len(pcm) / synthesizer.rate_hz
    return f'{config.tts.provider}: "hello" takes {length_s:.2f} s'


async def _check_language_models(config: Config) -> str:
    async with open_language_models(config) as models:
        for model in models:
            await model.check()
        return ", ".join(m.name for m in models)


async def _check_room(config: Config) -> str:
    user = f"{config.mumble.user}-doctor"
    visitor = attrs.evolve(config.mumble, user=user, comment="")
    try:
        return await _visit(visitor)
    except RoomUnreachable:
        if visitor.server != EMBEDDED:
            raise
    async with embedded_server(visitor):
        return f"{await _visit(visitor)} (embedded, started for this check)"


async def _visit(config: MumbleConfig) -> str:
    async with open_room(config) as room:
        return f"{room.address}, as {room.name}"


CHECKS: dict[str, Check] = {
    "voice activity": _check_vad,
    "recognizer": _check_recognizer,
    "synthesizer": _check_synthesizer,
    "language model": _check_language_models,
    "room": _check_room,
}
