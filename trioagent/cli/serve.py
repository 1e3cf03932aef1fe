"""`trioagent serve asr|tts`: a model of ours, behind the Wyoming protocol."""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.app import open_recognizer, open_synthesizer
from trioagent.choices import choose_recognizer
from trioagent.cli.arguments import config_of
from trioagent.errors import ConfigError
from trioagent.serving.inbox import ClientLimits
from trioagent.serving.info import recognizer_info, synthesizer_info
from trioagent.serving.server import Server
from trioagent.serving.synthesis import Synthesizing
from trioagent.serving.transcription import Transcribing
from trioagent.shutdown import until_signal
from trioagent.wyoming.address import Address, parse_address

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncIterator

    from trioagent.config import Config

log = logging.getLogger(__name__)

# Where Home Assistant's own servers listen.
DEFAULT_URIS = {"asr": "tcp://127.0.0.1:10300", "tts": "tcp://127.0.0.1:10200"}


def run(given: argparse.Namespace) -> int:
    """Serve until a signal comes."""
    config = _config(given)
    address = parse_address(given.uri or DEFAULT_URIS[given.kind])
    limits = ClientLimits(
        connections=given.max_connections,
        idle_s=given.idle_timeout,
        utterance_s=given.max_utterance,
    )
    languages = given.languages or ["en"]

    def on_ready(where: Address) -> None:
        log.info("serving %s at %s", given.kind, where)
        if given.json:
            row = {"event": "ready", "kind": given.kind, "uri": str(where)}
            print(json.dumps(row), flush=True)  # noqa: T201 - --json

    async def main() -> None:
        opened = _recognizer if given.kind == "asr" else _synthesizer
        async with opened(config, languages) as server:
            server.limits = limits
            await server.run(address, on_ready)

    return trio.run(until_signal, main)


def _config(given: argparse.Namespace) -> Config:
    config = config_of(given)
    for limit in ("max_connections", "idle_timeout", "max_utterance"):
        if getattr(given, limit) <= 0:
            name = limit.replace("_", "-")
            raise ConfigError(f"--{name}: must be more than 0")
    if not given.provider:
        return config
    section = getattr(config, given.kind)
    return attrs.evolve(
        config, **{given.kind: attrs.evolve(section, provider=given.provider)}
    )


@asynccontextmanager
async def _recognizer(config: Config, languages: list[str]) -> AsyncIterator[Server]:
    name = choose_recognizer(config.asr)
    async with open_recognizer(config) as recognizer:
        yield Server(Transcribing(recognizer), recognizer_info(name, languages))


@asynccontextmanager
async def _synthesizer(config: Config, languages: list[str]) -> AsyncIterator[Server]:
    name = config.tts.provider
    async with open_synthesizer(config) as synthesizer:
        yield Server(Synthesizing(synthesizer), synthesizer_info(name, languages))
