"""Providers for the sweep: each passes a point at each of its steps.

A point may raise `ProviderError`. The recognizer and the synthesizer work one call at a
time, as models in threads do.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from tests.fakes import (
    FakeLanguageModel,
    FakeRecognizer,
    FakeRecognizerStream,
    FakeSynthesizer,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from trioagent.interfaces import Message, Pcm, Speech


@attrs.define(eq=False)
class Recognizer(FakeRecognizer):
    """Takes a new word for another one at first; one call at a time for all."""

    point: Callable[[str], None] = lambda _: None
    limiter: trio.CapacityLimiter = attrs.Factory(lambda: trio.CapacityLimiter(1))

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[RecognizerStream]:
        self.point("recognizer opens")
        async with FakeRecognizer.stream(self):
            yield RecognizerStream(self)
        self.point("recognizer closes")


class RecognizerStream(FakeRecognizerStream):
    async def feed(self, pcm: Pcm) -> str:
        self.owner.point("feed")
        async with self.owner.limiter:
            text = await super().feed(pcm)
        self.owner.point("fed")
        known = len(text.split())
        newest = self.owner.vocabulary.read(self.audio).split()[known:]
        return " ".join([text, *(f"{word}ever" for word in newest)]).strip()

    async def finish(self) -> str:
        self.owner.point("finish")
        async with self.owner.limiter:
            text = await super().finish()
        self.owner.point("finished")
        return text


@attrs.define(eq=False)
class Outlet:
    """A send channel that passes a point before and after each value."""

    channel: trio.MemorySendChannel[object]
    point: Callable[[str], None]
    name: str

    async def send(self, value: object) -> None:
        self.point(f"{self.name} sends")
        await self.channel.send(value)
        self.point(f"{self.name} sent")


@attrs.define(eq=False)
class LanguageModel(FakeLanguageModel):
    point: Callable[[str], None] = lambda _: None

    async def reply(
        self, messages: Sequence[Message], tokens: trio.MemorySendChannel[str]
    ) -> None:
        self.point("model begins")
        await super().reply(messages, Outlet(tokens, self.point, "model"))
        self.point("model ends")


@attrs.define(eq=False)
class Synthesizer(FakeSynthesizer):
    """One phrase at a time for all."""

    point: Callable[[str], None] = lambda _: None
    limiter: trio.CapacityLimiter = attrs.Factory(lambda: trio.CapacityLimiter(1))

    async def synthesize(
        self, phrase: str, audio: trio.MemorySendChannel[Speech]
    ) -> None:
        self.point("synthesizer begins")
        async with self.limiter:
            await super().synthesize(phrase, Outlet(audio, self.point, "synthesizer"))
        self.point("synthesizer ends")
