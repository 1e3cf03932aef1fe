"""From a configuration to open models and rooms.

The only place that knows providers: everything else is given its parts.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import platformdirs
import trio

from trioagent.chain import FallbackChain, Link
from trioagent.choices import choice, choose_recognizer
from trioagent.errors import ProviderError, RoomUnreachable
from trioagent.guards.board import Guards
from trioagent.registry import Kind, provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from trioagent.config import Config, LlmConfig, MumbleConfig
    from trioagent.decisions.breaker import Breaker
    from trioagent.guards.models import PatientLanguageModel
    from trioagent.interfaces import (
        LanguageModel,
        Recognizer,
        Room,
        Synthesizer,
        VoiceActivityDetector,
    )

log = logging.getLogger(__name__)

EMBEDDED = "embedded"
BETTER_RECOGNIZER = (
    "pocketsphinx only proves that everything works: it mishears every second word "
    "of free speech. For a better one: trioagent models pull nemotron-en-160ms, and "
    '[asr] provider = "sherpa", model = "nemotron-en-160ms" (docs/models.md)'
)


# --- models ----------------------------------------------------------------------


@asynccontextmanager
async def open_recognizer(config: Config) -> AsyncIterator[Recognizer]:
    """Load the recognizer that `[asr]` names, and say which it is."""
    name = choose_recognizer(config.asr)
    async with _open(config, "asr", name) as recognizer:
        log.info("recognizer: %s", name)
        if config.asr.provider == "auto" and name == "pocketsphinx":
            log.warning("%s", BETTER_RECOGNIZER)
        yield recognizer


@asynccontextmanager
async def open_vad(config: Config) -> AsyncIterator[VoiceActivityDetector]:
    """Load the detector that `[vad]` names."""
    async with _open(config, "vad", config.vad.provider) as vad:
        yield vad


@asynccontextmanager
async def open_synthesizer(config: Config) -> AsyncIterator[Synthesizer]:
    """Load the synthesizer that `[tts]` names."""
    async with _open(config, "tts", config.tts.provider) as synthesizer:
        log.info("synthesizer: %s", config.tts.provider)
        yield synthesizer


@asynccontextmanager
async def open_language_model_named(
    config: Config, name: str
) -> AsyncIterator[LanguageModel]:
    """Open one of the language models that `[llm]` names."""
    async with _open(config, "llm", name) as model:
        yield model


@asynccontextmanager
async def open_language_models(config: Config) -> AsyncIterator[list[LanguageModel]]:
    """Open the language models that `[llm]` names, best first."""
    async with AsyncExitStack() as stack:
        models: list[LanguageModel] = []
        for name in config.llm.providers:
            opened = open_language_model_named(config, name)
            models.append(await stack.enter_async_context(opened))
        yield models


@asynccontextmanager
async def open_language_model(
    config: Config, guards: Guards | None = None
) -> AsyncIterator[LanguageModel]:
    """Open the language models that `[llm]` names, as one that falls back.

    One that is down now is only warned about: it may come up, and the next replies.
    """
    async with open_language_models(config) as models:
        patient = [(guards or Guards(config)).language_model(m) for m in models]
        async with open_chain(patient, config.llm) as chain:
            yield chain


@asynccontextmanager
async def open_chain(
    models: Sequence[PatientLanguageModel],
    config: LlmConfig,
    broke_off: set[Breaker] | None = None,
    *,
    warm: bool = True,
) -> AsyncIterator[LanguageModel]:
    """Opened models as one that falls back, for one conversation.

    Args:
        models: Best first; others may use them, too.
        config: What is said when one falls back.
        broke_off: What the chains of others know of these models; see `FallbackChain`.
        warm: Whether to look now which of them can be used.
    """
    log.info("language model: %s", ", then ".join(m.name for m in models))
    notices = ["", *[config.fallback_notice] * (len(models) - 1)]
    links = [
        Link(model, notice, model.guard.breaker)
        for model, notice in zip(models, notices, strict=True)
    ]
    chain = FallbackChain(links, broke_off)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(chain.run, name="language model probes")
        if warm:
            nursery.start_soon(_warm, chain, name="language model warm-up")
        yield chain
        nursery.cancel_scope.cancel("closing the language models")


async def _warm(chain: FallbackChain) -> None:
    try:
        await chain.check()
    except ProviderError as error:
        log.warning("%s", error)


def _open(config: Config, kind: Kind, name: str) -> Any:  # noqa: ANN401 - by kind
    chosen = choice(config, kind, name)
    return chosen.provider.open(chosen.options)


# --- rooms -----------------------------------------------------------------------


@asynccontextmanager
async def open_room(config: MumbleConfig) -> AsyncIterator[Room]:
    """Join the room; with an embedded server, the one that runs on this machine.

    Raises:
        RoomError: it cannot be joined, and why.
    """
    if config.server == EMBEDDED:
        config = _on_loopback(config)
    async with provider("rooms", config.client).open(config) as room:
        yield room


@asynccontextmanager
async def embedded_server(*configs: MumbleConfig) -> AsyncIterator[None]:
    """Run the private servers that these ask for: one on each port, for all of them."""
    ports: dict[int, list[MumbleConfig]] = {}
    for config in configs:
        if config.server == EMBEDDED:
            ports.setdefault(config.port, []).append(config)
    async with AsyncExitStack() as stack:
        for guests in ports.values():
            await stack.enter_async_context(_private_server(guests))
        yield


@asynccontextmanager
async def _private_server(guests: Sequence[MumbleConfig]) -> AsyncIterator[None]:
    from providers.rooms.murmurd import (  # noqa: PLC0415 - only where it is wanted
        MurmurdSettings,
        open_murmurd,
    )

    channels = dict.fromkeys(guest.channel for guest in guests if guest.channel)
    settings = MurmurdSettings(
        certificate_folder=_embedded_folder(),
        port=guests[0].port,
        password=guests[0].password,
        channels=tuple(channels),
    )
    async with open_murmurd(settings) as server:
        log.info("embedded Mumble server: %s", server.address)
        yield


def _embedded_folder() -> Path:
    return platformdirs.user_state_path("trioagent") / "embedded"


def _on_loopback(config: MumbleConfig) -> MumbleConfig:
    ca_file = _embedded_folder() / "cert.pem"
    if not ca_file.exists():
        raise RoomUnreachable(
            f"there is no embedded Mumble server on port {config.port}",
            hint="start one: trioagent --config CONFIG",
        )
    return attrs.evolve(config, server="127.0.0.1", trust="ca", ca_file=str(ca_file))
