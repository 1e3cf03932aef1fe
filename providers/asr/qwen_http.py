"""HTTP to a server with OpenAI's /audio/transcriptions: WAV in, text out.

One client lives as long as the provider, so that a request finds a connection open.
"""

from __future__ import annotations

import io
import json
import wave
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import trio

from providers.asr.qwen_text import transcript
from providers.http_client import http_client
from providers.http_errors import HttpErrors
from providers.http_words import shorten
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.asr.qwen import Options
    from trioagent.interfaces import Pcm

_CLOSE_S = 1.0
_HTTP_OK = 200
_NO_LISTING = (404, 405, 501)
_MOST_ANSWER_BYTES = 1 << 20


class TranscriptionClient:
    """The requests. All errors are trioagent's."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._client = http_client(options.api_key, options.connect_timeout_s)
        self._base = options.base_url.rstrip("/")
        self._errors = HttpErrors(
            api_key=options.api_key,
            connect_timeout_s=options.connect_timeout_s,
            section="asr.qwen",
            request_keys="model, language and prompt",
        )

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close all connections at the end of the block."""
        async with self._client:
            yield

    async def check(self) -> None:
        """Reach the server; see that it has the model, if it lists its models.

        Raises:
            ProviderUnavailable: no server, or not with this model.
        """
        url = f"{self._base}/models"
        body = await self._ask(self._client.build_request("GET", url), _NO_LISTING)
        if body is None:
            return
        names = _names(_decoded(url, body))
        if names and self.options.model not in names:
            raise ProviderUnavailable(
                f"{url}: it has no model {self.options.model!r}",
                hint=f"set model in [asr.qwen] to one of: {shorten(', '.join(names))}",
            )

    async def transcribe(self, pcm: Pcm) -> str:
        """What is said in `pcm`. If cancelled, the connection is closed.

        Raises:
            ProviderError: no transcript.
        """
        url = f"{self._base}/audio/transcriptions"
        wanted = {
            "model": self.options.model,
            "language": self.options.language,
            "prompt": self.options.prompt,
            "response_format": "json",
            "temperature": "0",
        }
        request = self._client.build_request(
            "POST",
            url,
            data={key: text for key, text in wanted.items() if text},
            files={"file": ("speech.wav", _wav(pcm), "audio/wav")},
        )
        answer = _decoded(url, await self._ask(request) or b"")
        text = answer.get("text") if isinstance(answer, dict) else None
        if not isinstance(text, str):
            raise ProviderError(
                f"{url}: it sent no transcript: {shorten(json.dumps(answer))}",
                hint="check base_url in [asr.qwen]",
            )
        return transcript(text)

    async def _ask(
        self, request: httpx.Request, none_for: tuple[int, ...] = ()
    ) -> bytes | None:
        """The body of the answer; None for a status of `none_for`."""
        url, limit_s = str(request.url), self.options.answer_timeout_s
        try:
            with trio.fail_after(limit_s), self._errors.translated(url):
                async with self._answer(request) as response:
                    if response.status_code in none_for:
                        return None
                    if response.status_code != _HTTP_OK:
                        raise await self._errors.refusal(response)
                    body = await _body(url, response)
        except trio.TooSlowError:
            raise ProviderUnavailable(
                f"{url}: no answer within {limit_s:g} s",
                hint="see whether the server is overloaded, or raise answer_timeout_s",
            ) from None
        return self._errors.redact(body.decode(errors="replace")).encode()

    @asynccontextmanager
    async def _answer(self, request: httpx.Request) -> AsyncIterator[httpx.Response]:
        try:
            response = await self._client.send(request, stream=True)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            # The server closed an idle connection just as we took it.
            response = await self._client.send(request, stream=True)
        try:
            yield response
        finally:
            with trio.move_on_after(_CLOSE_S, shield=True):
                await response.aclose()


async def _body(url: str, response: httpx.Response) -> bytes:
    body = bytearray()
    async for part in response.aiter_bytes():
        body += part
        if len(body) > _MOST_ANSWER_BYTES:
            raise ProviderError(f"{url}: it sent more than {_MOST_ANSWER_BYTES} bytes")
    return bytes(body)


def _decoded(url: str, body: bytes) -> Any:  # noqa: ANN401 - anything at all
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ProviderError(
            f"{url}: it sent no JSON: {shorten(body.decode(errors='replace'))}",
            hint="check base_url in [asr.qwen]",
        ) from error


def _names(listing: object) -> list[str]:
    models = listing.get("data") if isinstance(listing, dict) else None
    found = models if isinstance(models, list) else []
    return [
        str(model["id"]) for model in found if isinstance(model, dict) and "id" in model
    ]


def _wav(pcm: Pcm) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(HEARING_RATE_HZ)
        writer.writeframes(pcm.astype("<i2", copy=False).tobytes())
    return file.getvalue()
