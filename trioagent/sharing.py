"""What several agents of a process use together: opened once, closed when all end."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    asynccontextmanager,
)
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import attrs
import trio

from trioagent.choices import check_choices, choice, choose_recognizer
from trioagent.decisions.breaker import Breaker
from trioagent.guards.board import Guards
from trioagent.interfaces import (
    LanguageModel,
    Recognizer,
    Synthesizer,
    VoiceActivityDetector,
)
from trioagent.journal.latency_file import LatencyFile
from trioagent.opening import (
    open_chain,
    open_language_model_named,
    open_recognizer,
    open_synthesizer,
    open_vad,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.config import Config
    from trioagent.guards.models import PatientLanguageModel
    from trioagent.members import Member
    from trioagent.registry import Kind

T = TypeVar("T")


@attrs.frozen(eq=False)
class Models:
    """What one agent hears, thinks and speaks with, and writes into; open."""

    vad: VoiceActivityDetector
    recognizer: Recognizer
    synthesizer: Synthesizer
    latency_file: LatencyFile | None
    chained: Callable[[], AbstractAsyncContextManager[LanguageModel]]
    """The language models, for one conversation."""


@attrs.define(eq=False)
class SharedParts:
    """Opens parts into a stack; what is configured alike is the same part.

    A part with its bounds (`timeout_s`, `[breaker]`) is shared where these are alike,
    too: a breaker knows of all that its provider does.
    """

    stack: AsyncExitStack
    guards: Guards | None = None
    _made: list[tuple[object, Any]] = attrs.Factory(list)
    """By what they were made from. Options need not be hashable."""
    _broke_off: set[Breaker] = attrs.Factory(set)

    def check(self, config: Config) -> None:
        """Look at what an agent chooses, before anything is opened.

        Raises:
            ConfigError: as `check_choices`.
        """
        chosen = config.mumble.client, config.vad, config.asr, config.llm, config.tts
        self._once(("checked", chosen), partial(check_choices, config))

    async def models(self, member: Member) -> Models:
        """What this agent needs.

        Raises:
            TrioagentError: a part cannot be opened.
        """
        config = member.config
        guards = self._guards_for(member)
        vad = await self._opened(
            self._key(config, "vad", config.vad.provider), partial(open_vad, config)
        )
        recognizer = await self._recognizer(config, guards)
        synthesizer = await self._synthesizer(config, guards)
        thinking = [
            await self._language_model(config, name, guards)
            for name in config.llm.providers
        ]
        chained = partial(
            open_chain,
            thinking,
            config.llm,
            self._broke_off,
            warm=self._is_new(("warm", [id(model) for model in thinking])),
        )
        file = await self._latency_file(config)
        return Models(vad, recognizer, synthesizer, file, chained)

    async def _recognizer(self, config: Config, guards: Guards) -> Recognizer:
        chosen = partial(choose_recognizer, config.asr)
        name = self._once(("chosen", config.asr), chosen)
        key = self._key(config, "asr", name)
        part = await self._opened(key, partial(open_recognizer, config))
        bounds = (key, config.asr.timeout_s, config.breaker)
        return self._once(bounds, partial(guards.recognizer, part, name))

    async def _synthesizer(self, config: Config, guards: Guards) -> Synthesizer:
        name = config.tts.provider
        key = self._key(config, "tts", name)
        part = await self._opened(key, partial(open_synthesizer, config))
        bounds = (key, config.tts.timeout_s, config.breaker)
        return self._once(bounds, partial(guards.synthesizer, part, name))

    async def _language_model(
        self, config: Config, name: str, guards: Guards
    ) -> PatientLanguageModel:
        key = self._key(config, "llm", name)
        opened = partial(open_language_model_named, config, name)
        part = await self._opened(key, opened)
        llm = config.llm
        bounds = (key, llm.timeout_s, llm.retry_s, config.breaker.failures)
        return self._once(bounds, partial(guards.language_model, part))

    async def _latency_file(self, config: Config) -> LatencyFile | None:
        if not config.journal.latency_file:
            return None
        path = Path(config.journal.latency_file)
        key = "latency file", _real(path)
        return await self._opened(key, partial(_kept_short, path, config))

    def _guards_for(self, member: Member) -> Guards:
        """The guards with this agent's bounds; all are in the same list."""
        if self.guards is None:
            self.guards = Guards(member.config)
        return attrs.evolve(self.guards, config=member.config, user=member.name)

    def _key(self, config: Config, kind: Kind, name: str) -> object:
        """What a part is made from. Finding a provider takes some milliseconds."""
        asked = ("options", kind, name, getattr(config, kind))
        found = self._once(asked, lambda: choice(config, kind, name).options)
        return kind, name, found

    async def _opened(
        self, key: object, opening: Callable[[], AbstractAsyncContextManager[T]]
    ) -> T:
        await trio.lowlevel.checkpoint()
        for known, part in self._made:
            if known == key:
                found: T = part
                return found
        opened = await self.stack.enter_async_context(opening())
        self._made.append((key, opened))
        return opened

    def _once(self, key: object, make: Callable[[], T]) -> T:
        for known, part in self._made:
            if known == key:
                found: T = part
                return found
        made = make()
        self._made.append((key, made))
        return made

    def _is_new(self, key: object) -> bool:
        before = len(self._made)
        self._once(key, lambda: True)
        return len(self._made) > before


def _real(path: Path) -> str:
    return os.path.realpath(path)


@asynccontextmanager
async def _kept_short(path: Path, config: Config) -> AsyncIterator[LatencyFile]:
    file = LatencyFile(path, config.journal)
    async with file.kept_short():
        yield file
