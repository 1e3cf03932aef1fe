"""From a configuration to open rooms and models, and to the running agent.

The only place that knows providers by name: everything else is given its parts.
"""

from __future__ import annotations

import logging
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import platformdirs
import trio

from trioagent.agent import Agent, Parts
from trioagent.chain import FallbackChain, Link
from trioagent.configuration.file import structure_options
from trioagent.errors import ConfigError, ProviderError, RoomUnreachable
from trioagent.journal.latency import LatencyLog
from trioagent.recording.recorder import Recorder
from trioagent.registry import Kind, provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from trioagent.config import AsrConfig, Config, MumbleConfig, Options
    from trioagent.interfaces import (
        LanguageModel,
        Recognizer,
        Room,
        Synthesizer,
        VoiceActivityDetector,
    )
    from trioagent.journal.events import Observer
    from trioagent.plugins import Provider
    from trioagent.recording.tape import RoomTape

log = logging.getLogger(__name__)

EMBEDDED = "embedded"
# What `asr.provider = "auto"` tries, best first.
AUTO_RECOGNIZERS = ("sherpa", "pocketsphinx")
BETTER_RECOGNIZER = (
    "pocketsphinx only proves that everything works: it mishears every second word "
    "of free speech. For a better recognizer get a streaming model for sherpa-onnx "
    'and name its folder: [asr] provider = "sherpa", model = "…" (docs/models.md)'
)


# --- models ----------------------------------------------------------------------


def choose_recognizer(config: AsrConfig) -> str:
    """The name of the recognizer that `config` asks for.

    Raises:
        ConfigError: "auto", and none can be used on this machine.
    """
    if config.provider != "auto":
        return config.provider
    reasons = []
    for name in AUTO_RECOGNIZERS:
        found = provider("asr", name)
        reason = found.unavailable(_asr_options(config, name, found))
        if reason is None:
            return name
        reasons.append(f"{name}: {reason}")
    raise ConfigError(
        'asr.provider = "auto": no recognizer can be used:\n  ' + "\n  ".join(reasons),
        hint="docs/models.md says how to get one",
    )


@asynccontextmanager
async def open_recognizer(config: Config) -> AsyncIterator[Recognizer]:
    """Load the recognizer that `[asr]` names, and say which it is."""
    name = choose_recognizer(config.asr)
    found = provider("asr", name)
    async with found.open(_asr_options(config.asr, name, found)) as recognizer:
        log.info("recognizer: %s", name)
        if config.asr.provider == "auto" and name == "pocketsphinx":
            log.warning("%s", BETTER_RECOGNIZER)
        yield recognizer


@asynccontextmanager
async def open_vad(config: Config) -> AsyncIterator[VoiceActivityDetector]:
    """Load the detector that `[vad]` names."""
    async with _open("vad", config.vad.provider, config.vad.options) as vad:
        yield vad


@asynccontextmanager
async def open_synthesizer(config: Config) -> AsyncIterator[Synthesizer]:
    """Load the synthesizer that `[tts]` names."""
    async with _open("tts", config.tts.provider, config.tts.options) as synthesizer:
        log.info("synthesizer: %s", config.tts.provider)
        yield synthesizer


@asynccontextmanager
async def open_language_models(config: Config) -> AsyncIterator[list[LanguageModel]]:
    """Open the language models that `[llm]` names, best first."""
    async with AsyncExitStack() as stack:
        models: list[LanguageModel] = []
        for name in config.llm.providers:
            opened = _open("llm", name, config.llm.options)
            models.append(await stack.enter_async_context(opened))
        yield models


@asynccontextmanager
async def open_language_model(config: Config) -> AsyncIterator[LanguageModel]:
    """Open the language models that `[llm]` names, as one that falls back.

    One that is down now is only warned about: it may come up, and the next replies.
    """
    async with open_language_models(config) as models, trio.open_nursery() as nursery:
        log.info("language model: %s", ", then ".join(m.name for m in models))
        notices = ["", *[config.llm.fallback_notice] * (len(models) - 1)]
        links = [Link(m, notice) for m, notice in zip(models, notices, strict=True)]
        chain = FallbackChain(links, retry_s=config.llm.retry_s)
        nursery.start_soon(chain.run, name="language model probes")
        nursery.start_soon(_warm, chain, name="language model warm-up")
        yield chain
        nursery.cancel_scope.cancel("closing the language models")


async def _warm(chain: FallbackChain) -> None:
    try:
        await chain.check()
    except ProviderError as error:
        log.warning("%s", error)


def check_choices(config: Config) -> None:
    """Look at every provider that `config` names, before any is opened.

    Raises:
        ConfigError: there is none of that name, or it refuses its options.
    """
    provider("rooms", config.mumble.client)
    _prepare("vad", config.vad.provider, config.vad.options)
    _prepare("tts", config.tts.provider, config.tts.options)
    for name in config.llm.providers:
        _prepare("llm", name, config.llm.options)
    name = choose_recognizer(config.asr)
    _asr_options(config.asr, name, provider("asr", name))


def _open(kind: Kind, name: str, options: Options) -> Any:  # noqa: ANN401 - by kind
    found, chosen = _prepare(kind, name, options)
    return found.open(chosen)


def _prepare(kind: Kind, name: str, options: Options) -> tuple[Provider[Any, Any], Any]:
    found = provider(kind, name)
    table = options.get(name, {})
    return found, structure_options(found.options, table, f"{kind}.{name}")


def _asr_options(config: AsrConfig, name: str, found: Provider[Any, Any]) -> Any:  # noqa: ANN401 - the provider's own class
    """The provider's options; `asr.model` is its `model`, where it takes one."""
    table = dict(config.options.get(name, {}))
    takes_model = "model" in attrs.fields_dict(found.options)
    if config.model and takes_model:
        table.setdefault("model", config.model)
    elif config.model and config.provider == name:
        raise ConfigError(
            f"asr.model: the recognizer {name!r} loads no model folder",
            hint='remove the key, or choose provider = "sherpa"',
        )
    return structure_options(found.options, table, f"asr.{name}")


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
async def embedded_server(config: MumbleConfig) -> AsyncIterator[None]:
    """Run the private server, if `config` asks for it; else do nothing."""
    if config.server != EMBEDDED:
        yield
        return
    from providers.rooms.murmurd import (  # noqa: PLC0415 - only where it is wanted
        MurmurdSettings,
        open_murmurd,
    )

    settings = MurmurdSettings(
        certificate_folder=_embedded_folder(),
        port=config.port,
        password=config.password,
        channels=(config.channel,) if config.channel else (),
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


# --- the agent -------------------------------------------------------------------


async def run_agent(
    config: Config,
    observers: Sequence[Observer] = (),
    on_ready: Callable[[Room], None] = lambda _room: None,
) -> None:
    """Open everything, be in the room until it closes or we are cancelled.

    Raises:
        TrioagentError: a part cannot be opened, or the room refused us for good.
    """
    check_choices(config)
    path = Path(config.journal.latency_file) if config.journal.latency_file else None
    latency = LatencyLog(path, transcripts=config.journal.log_transcripts)
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        stack.callback(latency.close)
        vad = await enter(open_vad(config))
        recognizer = await enter(open_recognizer(config))
        synthesizer = await enter(open_synthesizer(config))
        model = await enter(open_language_model(config))
        await enter(embedded_server(config.mumble))
        room = await enter(open_room(config.mumble))
        parts = Parts(room, vad, recognizer, model, synthesizer)
        async with recorded(parts, config) as (parts, tapes):
            agent = Agent(parts, config, (*observers, latency, *tapes))
            for tape in tapes:
                tape.agent = agent
            on_ready(room)
            await agent.run()


async def _record(recorder: Recorder) -> None:
    """Record; a bug in there costs the recordings, never the agent."""
    try:
        await recorder.run()
    except Exception:
        log.exception("the recorder failed: nothing is recorded any more")


@asynccontextmanager
async def recorded(
    parts: Parts, config: Config
) -> AsyncIterator[tuple[Parts, tuple[RoomTape, ...]]]:
    """The parts, and what has to observe the agent; with a recorder if wanted."""
    if not config.recording.folder:
        yield parts, ()
        return
    recorder = Recorder(config)
    recorder.check_folder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_record, recorder, name="recorder")
        yield recorder.tap(parts), (recorder.tape,)
        nursery.cancel_scope.cancel("the agent has ended")
