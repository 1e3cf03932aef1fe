"""Wyoming's client with our own server, and with one made with the wyoming package."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from providers.tts import espeak
from providers.tts.wyoming import PROVIDER, Options
from tests.asyncio_wyoming import speaking_process
from tests.contract.tts_contract import Case
from tests.helpers_wyoming import running, synthesizer_server
from trioagent.errors import ProviderError
from trioagent.interfaces import Outlet, Speech, Synthesizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

RATE_HZ = 22_050


@attrs.define(eq=False)
class Served:
    """What the server speaks with: slow, or failing, if it shall be."""

    voice: Synthesizer
    delay_s: float
    fails: bool
    busy: int = 0

    @property
    def rate_hz(self) -> int:
        return self.voice.rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        if self.fails:
            raise ProviderError("out of memory")
        self.busy += 1
        try:
            await trio.sleep(self.delay_s)
            await self.voice.synthesize(phrase, audio)
        finally:
            self.busy -= 1


@attrs.frozen(eq=False)
class Client:
    """The client, and what serves it."""

    client: Synthesizer
    served: Served | None = None

    @property
    def rate_hz(self) -> int:
        return self.client.rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        await self.client.synthesize(phrase, audio)


@asynccontextmanager
async def open_ours(
    folder: Path, *, delay_s: float = 0.0, fails: bool = False
) -> AsyncIterator[Synthesizer]:
    async with espeak.PROVIDER.open(espeak.Options()) as voice:
        served = Served(voice, delay_s, fails)
        async with (
            running(synthesizer_server(served), f"unix://{folder}/tts") as uri,
            PROVIDER.open(Options(uris=(uri,), rate_hz=RATE_HZ)) as client,
        ):
            yield Client(client, served)


@asynccontextmanager
async def open_theirs(_folder: Path, *, streams: bool) -> AsyncIterator[Synthesizer]:
    async with PROVIDER.open(Options(uris=(speaking_process(streams=streams),))) as tts:
        yield Client(tts)


@asynccontextmanager
async def open_nowhere(folder: Path) -> AsyncIterator[Synthesizer]:
    async with PROVIDER.open(Options(uris=(f"unix://{folder}/none",))) as client:
        yield client


def is_idle(tts: Synthesizer) -> bool:
    assert isinstance(tts, Client)
    load = sum(server.load for server in tts.client._servers.all)  # type: ignore[attr-defined]
    return load == 0 and (tts.served is None or tts.served.busy == 0)


def case(name: str, opened: object) -> Case:
    return Case(
        name=name,
        open=opened,  # type: ignore[arg-type]  # partials have no kinds
        open_slow=partial(open_ours, delay_s=0.1),
        open_failing=partial(open_ours, fails=True),
        open_unusable=open_nowhere,
        is_idle=is_idle,
        frees_within_s=0.5,
        # Half a minute of speech, in small pieces.
        ahead_bytes=4_000_000,
        exact=False,
    )


CASES = [
    case("wyoming, trioagent serve", open_ours),
    case("wyoming, a server that streams", partial(open_theirs, streams=True)),
    case("wyoming, a server that does not", partial(open_theirs, streams=False)),
]
