"""Recognition by Wyoming servers: faster-whisper, `trioagent serve`, any other.

An utterance has a connection of its own, and what was said of it is kept: when a server
fails, the next one is told all of it, and whoever listens only waits a little longer.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio
from attrs import validators as v

from providers.wyoming.hypothesis import Hypothesis
from providers.wyoming.options import WyomingOptions
from providers.wyoming.servers import Route, Servers, open_servers
from trioagent.errors import ProviderError
from trioagent.interfaces import HEARING_RATE_HZ, Recognizer
from trioagent.plugins import Provider
from trioagent.wyoming.framing import Event

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from providers.wyoming.link import Link
    from trioagent.interfaces import Pcm

FORMAT = {"rate": HEARING_RATE_HZ, "width": 2, "channels": 1}
CHUNK_SAMPLES = HEARING_RATE_HZ // 2
MAX_UTTERANCE_S = 600
RETRY_S = 1.0


@attrs.frozen(kw_only=True)
class Options(WyomingOptions):
    """`[asr.wyoming]`."""

    model_name: str = ""
    """Which of the server's models; empty leaves it to the server."""
    language: str = ""
    """What is spoken: "en"; empty leaves it to the server."""
    left_pad_ms: int = attrs.field(default=300, validator=[v.ge(0), v.le(2000)])
    """Silence before each utterance. Without it the first word suffers."""


class WyomingStream:
    """One utterance of one speaker."""

    def __init__(self, route: Route, options: Options) -> None:
        self._route = route
        self._request = _request(options)
        self._left_pad = np.zeros(
            options.left_pad_ms * HEARING_RATE_HZ // 1000, np.int16
        )
        self._audio: list[Pcm] = []
        self._samples = 0
        self._sent = 0
        self._settled = ""
        self._heard = Hypothesis()
        self._shown = ""
        self._retry_at = -math.inf
        self._finished = False

    async def feed(self, pcm: Pcm) -> str:
        """Send audio of any length; return the hypothesis so far, all of it.

        Waits until the server has worked on the audio, where the server can tell. One
        that gives no partial transcripts is believed to have heard nothing yet. While
        no server works, the hypothesis stays, and the audio is kept for one that does.

        Raises:
            ProviderError: the utterance is too long.
        """
        self._check_open()
        await trio.lowlevel.checkpoint()
        if pcm.size:
            self._keep(pcm)
            if trio.current_time() >= self._retry_at:
                await self._try_to_catch_up()
        return self._shown

    async def finish(self) -> str:
        """Return the final transcript.

        Raises:
            ProviderError: no server is left that works.
        """
        self._check_open()
        await trio.lowlevel.checkpoint()
        if self._audio:
            self._route.start_over()
            await self._until_answered(self._conclude)
        self.close()
        return self._text()

    def close(self) -> None:
        """Close the connection: the server can forget the utterance."""
        self._finished = True
        self._route.leave()

    def _keep(self, pcm: Pcm) -> None:
        self._samples += len(pcm)
        if self._samples > MAX_UTTERANCE_S * HEARING_RATE_HZ:
            text = f"wyoming: an utterance of more than {MAX_UTTERANCE_S} s"
            raise ProviderError(text)
        self._audio.append(pcm)

    async def _try_to_catch_up(self) -> None:
        """Let a server hear what it has not, if one can be had now.

        To fail in the middle of somebody's words would leave the rest of them to be
        another utterance, which fails as well. A server may be back before the end.
        """
        try:
            await self._until_answered(self._catch_up)
        except ProviderError:
            self._retry_at = trio.current_time() + RETRY_S
            self._route.start_over()
        else:
            self._shown = self._text()

    async def _until_answered(self, ask: Callable[[Link], Awaitable[None]]) -> None:
        """Ask one server after the other, each from the start of the utterance."""
        while True:
            is_new = self._route.link is None
            link = await self._route.connect()
            asked = trio.current_time()
            try:
                if is_new:
                    await self._begin(link)
                await ask(link)
            except ProviderError as error:
                self._route.failed(error)
            except BaseException:
                self._route.given_up(asked)
                raise
            else:
                return

    async def _begin(self, link: Link) -> None:
        self._sent, self._heard = 0, Hypothesis()
        pad = [_chunk(self._left_pad)] if self._left_pad.size else []
        await link.send(self._request, Event("audio-start", FORMAT), *pad)

    async def _catch_up(self, link: Link) -> None:
        """Send what the server has not got yet; learn what it makes of it."""
        await self._send_audio(link)
        if self._heard.final:
            self._settle()
        elif self._route.abilities.pongs:
            await link.send(Event("ping"))
            await self._read_until(link, "pong")
        else:
            await self._glance(link)

    async def _conclude(self, link: Link) -> None:
        await self._send_audio(link)
        if not self._heard.final:
            await link.send(Event("audio-stop"))
            await self._read_until(link, "transcript")

    async def _send_audio(self, link: Link) -> None:
        while self._sent < len(self._audio):
            pcm = self._audio[self._sent]
            for start in range(0, len(pcm), CHUNK_SAMPLES):
                await link.send(_chunk(pcm[start : start + CHUNK_SAMPLES]))
            self._sent += 1

    async def _read_until(self, link: Link, kind: str) -> None:
        while not self._heard.final:
            event = await link.receive()
            self._heard.take(event)
            if event.type == kind:
                break
        if self._heard.final and kind != "transcript":
            self._settle()

    async def _glance(self, link: Link) -> None:
        """Read what the server has said already."""
        while link.has_arrived() and not self._heard.final:
            self._heard.take(await link.receive())
        if self._heard.final:
            self._settle()

    def _settle(self) -> None:
        """The server ended the utterance by itself: what is said now is another."""
        self._settled, self._heard = self._text(), Hypothesis()
        self._audio.clear()
        self._route.leave()
        self._route.start_over()

    def _text(self) -> str:
        return f"{self._settled} {self._heard.text.strip()}".strip()

    def _check_open(self) -> None:
        if self._finished:
            raise RuntimeError("this utterance is finished")


def _request(options: Options) -> Event:
    wanted = {"name": options.model_name, "language": options.language}
    return Event("transcribe", {key: text for key, text in wanted.items() if text})


def _chunk(pcm: Pcm) -> Event:
    return Event("audio-chunk", FORMAT, pcm.astype("<i2", copy=False).tobytes())


class WyomingRecognizer:
    """Servers that recognize speech, as one recognizer."""

    def __init__(self, servers: Servers, options: Options) -> None:
        self._servers = servers
        self._options = options

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[WyomingStream]:
        """Open a stream for one utterance; a connection for it is there already."""
        with self._servers.route() as route:
            stream = WyomingStream(route, self._options)
            try:
                yield stream
            finally:
                stream.close()


def unavailable(options: Options) -> str | None:
    """Why this cannot be used with these options, or None."""
    return None if options.uris else "no server is configured"


@asynccontextmanager
async def open_wyoming(options: Options) -> AsyncGenerator[Recognizer]:
    """Ask the servers what they are, and keep connections to them until the end.

    Raises:
        ConfigError: an address is none.
        ProviderUnavailable: no server can be used; each is named with its reason.
    """
    async with (
        open_servers("asr", options, options.model_name) as servers,
        servers.looked_after(),
    ):
        yield WyomingRecognizer(servers, options)


PROVIDER: Provider[Options, Recognizer] = Provider(
    options=Options, open=open_wyoming, unavailable=unavailable
)
