"""A client of /audio/speech that passes audio on while it arrives.

It keeps its connections for its whole life, so that a phrase finds one open.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import trio

from providers.http_client import http_client
from providers.http_errors import HttpErrors
from providers.tts.openai_wav import NotSpeech, SpeechBytes
from trioagent.errors import ProviderError
from trioagent.interfaces import Outlet, Speech

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from providers.tts.openai import Options
    from trioagent.interfaces import Pcm

_CLOSE_S = 1.0
_HTTP_OK = 200
_WORTH_ANOTHER_TRY = (502, 503, 504)
_TRIES = 2
_NO_AUDIO_TYPES = tuple(
    "application/json text/ audio/mpeg audio/mp3 audio/ogg audio/opus audio/aac"
    " audio/flac audio/webm".split()
)


class SpeechClient:
    """A voice behind /audio/speech."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._client = http_client(options.api_key, options.connect_timeout_s)
        self._url = options.base_url.rstrip("/") + "/audio/speech"
        self._errors = HttpErrors(
            api_key=options.api_key,
            connect_timeout_s=options.connect_timeout_s,
            section="tts.openai",
            request_keys="model, voice, response_format and extra",
        )

    @property
    def rate_hz(self) -> int:
        """Of all it says; a WAV file with another rate is resampled."""
        return self._options.rate_hz

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close all connections at the end of the block."""
        async with self._client:
            yield

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """Send `phrase` as speech, as the server streams it.

        If cancelled, the request's connection is closed, which tells the server to
        stop. A receiver that makes us wait costs the server no time-out.

        Raises:
            ProviderError: no speech, or it broke off. What was sent was real.
        """
        await trio.lowlevel.checkpoint()
        if not any(character.isalnum() for character in phrase):
            return
        url = self._url
        limit, limit_s = "first_audio_timeout_s", self._options.first_audio_timeout_s
        with trio.move_on_after(limit_s) as patience, self._errors.translated(url):
            async with (
                self._answer(phrase) as response,
                aclosing(self._pieces(response)) as pieces,
            ):
                async for pcm in pieces:
                    patience.deadline = float("inf")
                    await audio.send(Speech(pcm))
                    limit, limit_s = "audio_timeout_s", self._options.audio_timeout_s
                    patience.deadline = trio.current_time() + limit_s
        if patience.cancelled_caught:
            raise ProviderError(
                f"{url} stalled: no audio came for {limit_s:g} s",
                hint=f"see whether the server is overloaded, or raise {limit}",
            )

    async def _pieces(self, response: httpx.Response) -> AsyncGenerator[Pcm]:
        speech = SpeechBytes(self._options.rate_hz)
        samples = 0
        try:
            async for data in response.aiter_bytes():
                if len(pcm := speech.push(data)):
                    samples += len(pcm)
                    self._check_length(samples)
                    yield pcm
            if len(pcm := speech.finish()):
                yield pcm
        except NotSpeech as error:
            raise self._wrong_format(str(error)) from error

    def _check_length(self, samples: int) -> None:
        most_s = self._options.longest_phrase_s
        if samples > most_s * self._options.rate_hz:
            raise ProviderError(
                f"{self._url} sent more than {most_s:g} s of audio for one phrase",
                hint="raise longest_phrase_s in [tts.openai] if that is right",
            )

    @asynccontextmanager
    async def _answer(self, phrase: str) -> AsyncIterator[httpx.Response]:
        response = await self._ask(phrase)
        try:
            if response.status_code != _HTTP_OK:
                raise await self._errors.refusal(response)
            kind = response.headers.get("content-type", "").lower()
            if kind.startswith(_NO_AUDIO_TYPES):
                raise await self._not_audio(kind, response)
            yield response
        finally:
            with trio.move_on_after(_CLOSE_S, shield=True):
                await response.aclose()

    async def _ask(self, phrase: str) -> httpx.Response:
        """Send the request; once more if the server gave nothing yet."""
        body = self._body(phrase)
        for tries_left in reversed(range(_TRIES)):
            request = self._client.build_request("POST", self._url, json=body)
            try:
                response = await self._client.send(request, stream=True)
            except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
                # It may have closed an idle connection just as we took it.
                if not tries_left:
                    raise
                continue
            if response.status_code not in _WORTH_ANOTHER_TRY or not tries_left:
                break
            await response.aclose()
        return response

    def _body(self, phrase: str) -> dict[str, Any]:
        return {
            "model": self._options.model,
            "voice": self._options.voice,
            # Half a surrogate pair cannot be sent as UTF-8.
            "input": phrase.encode(errors="replace").decode(),
            "response_format": self._options.response_format,
            "speed": self._options.speed,
            **self._options.extra,
        }

    async def _not_audio(self, kind: str, response: httpx.Response) -> ProviderError:
        if kind.startswith("audio/"):
            return self._wrong_format(kind)
        said = await self._errors.words_of(response)
        return ProviderError(
            f"{self._url} sent {kind}, not audio: {said}",
            hint="check base_url, model and voice in [tts.openai]",
        )

    def _wrong_format(self, what: str) -> ProviderError:
        return ProviderError(
            f"{self._url} sent {what}",
            hint='set response_format in [tts.openai] to "wav" or "pcm",'
            " whichever the server knows",
        )
