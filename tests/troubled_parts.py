"""Parts that fail at one step, as providers may or as a bug would."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from tests.fakes import FakeRecognizer, FakeRecognizerStream, FakeSynthesizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import (
        Outlet,
        Pcm,
        Speech,
    )


@attrs.define(eq=False)
class TroubledRecognizer(FakeRecognizer):
    """Raises `error` at one step of its first stream: "open", "feed" or "finish"."""

    at: str = ""
    error: Exception | None = None

    def step(self, name: str) -> None:
        if self.at == name and self.error is not None:
            error, self.error = self.error, None
            raise error

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[TroubledStream]:
        await trio.sleep(0.003)
        self.step("open")
        async with FakeRecognizer.stream(self):
            yield TroubledStream(self)


@attrs.define(eq=False)
class TroubledStream(FakeRecognizerStream):
    """One of a `TroubledRecognizer`'s."""

    async def feed(self, pcm: Pcm) -> str:
        text = await FakeRecognizerStream.feed(self, pcm)
        if text:
            self.owner.step("feed")
        return text

    async def finish(self) -> str:
        text = await FakeRecognizerStream.finish(self)
        self.owner.step("finish")
        return text


@attrs.define(eq=False)
class TroubledSynthesizer(FakeSynthesizer):
    """Raises after the first word of each phrase, as a nursery of its own would."""

    error: Exception = attrs.Factory(lambda: RuntimeError("a bug"))

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        await FakeSynthesizer.synthesize(self, phrase.split(maxsplit=1)[0], audio)
        raise ExceptionGroup("", [self.error])
