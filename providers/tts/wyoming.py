"""Speech from Wyoming servers: Piper's, `trioagent serve`, any other.

A phrase has a connection of its own. To close it is the only way to stop a server, so
the next connection is there before it is needed.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio
from attrs import validators as v

from providers.wyoming.incoming import AHEAD_S, Incoming
from providers.wyoming.options import WyomingOptions
from providers.wyoming.servers import Route, Servers, open_servers
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.plugins import Provider
from trioagent.wyoming.framing import Event

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.wyoming.link import Link
    from trioagent.interfaces import Outlet, Speech, Synthesizer

PROBE_TEXT = "Hello."


@attrs.frozen(kw_only=True)
class Options(WyomingOptions):
    """`[tts.wyoming]`."""

    voice: str = ""
    """Which of the server's voices; empty leaves it to the server."""
    speaker: str = ""
    """Which speaker of a voice that has several."""
    language: str = ""
    """Where no voice is named, one of this language."""
    rate_hz: int = attrs.field(default=0, validator=[v.ge(0), v.le(192_000)])
    """The sample rate of its speech; 0 finds out by letting it speak at the start."""


class WyomingSynthesizer:
    """Servers that speak, as one synthesizer."""

    def __init__(self, servers: Servers, options: Options) -> None:
        self._servers = servers
        self._voice = _voice(options)
        self._rate_hz = options.rate_hz

    @property
    def rate_hz(self) -> int:
        """The rate at which the first server spoke, or that was configured."""
        return self._rate_hz

    async def find_rate(self) -> None:
        """Let a server speak, to nobody, to learn its rate.

        Raises:
            ProviderError: none spoke.
        """
        self._rate_hz = await self._speak(PROBE_TEXT, _Nobody())
        if not self._rate_hz:
            raise ProviderUnavailable(
                f"wyoming: no server made a sound of {PROBE_TEXT!r}",
                hint="choose another voice, or set rate_hz in [tts.wyoming]",
            )

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """Send `phrase` as speech, in the server's pieces.

        A phrase without letters and digits has no audio. If cancelled, the connection
        is closed, and with that the server told to stop.

        Raises:
            ProviderError: no server spoke, or the one that did broke off.
        """
        await trio.lowlevel.checkpoint()
        # Some servers never answer to nothing.
        if any(character.isalnum() for character in phrase):
            await self._speak(phrase, audio)

    async def _speak(self, phrase: str, audio: Outlet[Speech]) -> int:
        """Speak; return the rate."""
        with self._servers.route() as route:
            while True:
                link = await route.connect()
                asked = trio.current_time()
                speech = Incoming(audio, self._rate_hz)
                try:
                    await self._ask(route, link, phrase)
                    await _receive(link, speech, in_parts=route.abilities.streams)
                except ProviderError as error:
                    failure = _named(error, link)
                    route.failed(failure)
                    # What was heard cannot be taken back, nor said twice.
                    if speech.begun:
                        raise failure from error
                    continue
                except BaseException:
                    # Since its first sound it may be the listener who takes long.
                    if not speech.begun:
                        route.given_up(asked)
                    raise
                # The server is done; who listens may take long.
                route.leave()
                await speech.send_all_but(0)
                return speech.rate_hz

    async def _ask(self, route: Route, link: Link, phrase: str) -> None:
        whole = Event("synthesize", {"text": phrase, **self._voice})
        if not route.abilities.streams:
            await link.send(whole)
            return
        await link.send(
            Event("synthesize-start", self._voice),
            Event("synthesize-chunk", {"text": phrase}),
            # The protocol wants it once more; servers that stream pay no heed to it.
            whole,
            Event("synthesize-stop"),
        )


class _Nobody:
    """Takes speech, and that is all."""

    async def send(self, _speech: Speech) -> None:
        """Take it."""
        await trio.lowlevel.checkpoint()

    def send_nowait(self, _speech: Speech) -> None:
        """Take it."""


async def _receive(link: Link, speech: Incoming, *, in_parts: bool) -> None:
    """Read a phrase's audio; a server that streams starts and stops in between."""
    last = "synthesize-stopped" if in_parts else "audio-stop"
    while (event := await link.receive()).type != last:
        if event.type == "audio-start":
            speech.begins(event)
        elif event.type == "audio-chunk":
            if "rate" in event.data:
                speech.begins(event)
            speech.take(event.payload)
            await speech.send_all_but(AHEAD_S)
    speech.send_on()


def _named(error: ProviderError, link: Link) -> ProviderError:
    name = str(link.address)
    if error.message.startswith(name):
        return error
    return ProviderError(f"{name}: {error.message}", hint=error.hint)


def _voice(options: Options) -> dict[str, Any]:
    voice: dict[str, str] = {}
    if options.voice:
        voice["name"] = options.voice
        if options.speaker:
            voice["speaker"] = options.speaker
    elif options.language:
        voice["language"] = options.language
    return {"voice": voice} if voice else {}


def unavailable(options: Options) -> str | None:
    """Why this cannot be used with these options, or None."""
    return None if options.uris else "no server is configured"


@asynccontextmanager
async def open_wyoming(options: Options) -> AsyncIterator[Synthesizer]:
    """Ask the servers what they are, and keep connections to them until the end.

    Raises:
        ConfigError: an address is none.
        ProviderUnavailable: no server can be used; each is named with its reason.
    """
    async with open_servers("tts", options, options.voice) as servers:
        synthesizer = WyomingSynthesizer(servers, options)
        if not options.rate_hz:
            await synthesizer.find_rate()
        async with servers.looked_after():
            yield synthesizer


PROVIDER: Provider[Options, Synthesizer] = Provider(
    options=Options, open=open_wyoming, unavailable=unavailable
)
