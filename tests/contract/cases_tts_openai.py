"""/audio/speech: the client over real sockets, against a server in the same process."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs

from providers.tts.openai import PROVIDER, Options
from tests.contract.speech_server import Answer, SpeechServer, open_speech_server
from tests.contract.tts_contract import Case
from trioagent.interfaces import Synthesizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trioagent.interfaces import Outlet, Speech


@attrs.frozen(eq=False)
class WithServer:
    """The client, and the server that it talks to."""

    client: Synthesizer
    server: SpeechServer

    @property
    def rate_hz(self) -> int:
        return self.client.rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        await self.client.synthesize(phrase, audio)


@asynccontextmanager
async def open_client(
    answer: Answer, options: Options, _folder: Path
) -> AsyncIterator[Synthesizer]:
    async with open_speech_server(answer) as server:
        here = attrs.evolve(options, base_url=server.url)
        async with PROVIDER.open(here) as client:
            yield WithServer(client, server)


def is_idle(tts: Synthesizer) -> bool:
    assert isinstance(tts, WithServer)
    return tts.server.busy == 0


def case(name: str, answer: Answer, options: Options) -> Case:
    slow = attrs.evolve(answer, headers_delay_s=0.1, part_delay_s=0.01)
    refuses = Answer(status=500, body=b'{"error": {"message": "out of memory"}}')
    return Case(
        name=name,
        open=partial(open_client, answer, options),
        open_slow=partial(open_client, slow, options),
        open_failing=partial(open_client, refuses, options),
        # It connects to nothing: the server may come later.
        open_unusable=None,
        is_idle=is_idle,
        frees_within_s=2,
        # Speech that the server makes at once, and what waits in the sockets.
        ahead_bytes=30_000_000,
    )


CASES = [
    case("openai-pcm", Answer(), Options()),
    case("openai-pcm-odd", Answer(cut_bytes=3_333), Options()),
    case(
        "openai-wav-resampled",
        Answer(wav=True, rate_hz=22_050, wav_size=0),
        Options(response_format="wav"),
    ),
]
