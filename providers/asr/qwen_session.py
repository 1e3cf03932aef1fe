"""A session of vLLM's /v1/realtime: one connection, for one utterance.

The events are vLLM's: session.created, session.update, input_audio_buffer.append and
.commit, transcription.delta and .done, error.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import attrs
import trio

from providers.http_words import error_message, shorten
from providers.redaction import redacted
from providers.websocket import (
    Limits,
    Refused,
    Unreachable,
    WebSocket,
    WebSocketError,
    connect,
)
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from providers.asr.qwen import Options
    from trioagent.interfaces import Pcm

CHUNK_SAMPLES = HEARING_RATE_HZ
"""Of one message; longer audio goes in several."""
MAX_CHARS = 100_000
_UNAUTHORIZED = (401,)
_START_HINT = "start vLLM there, or set base_url in [asr.qwen]"
_REALTIME_HINT = (
    "start vLLM with --hf-overrides"
    ' \'{"architectures": ["Qwen3ASRRealtimeGeneration"]}\','
    ' or set mode = "transcriptions" in [asr.qwen]'
)


class NoRealtime(ProviderUnavailable):
    """There is a server, but it has no /realtime for this model."""


@attrs.define(eq=False)
class Session:
    """One connection, and what the server has said of its utterance so far."""

    url: str
    socket: WebSocket
    text: str = ""
    final: bool = False
    trouble: ProviderError | None = None
    _key: str = attrs.field(default="", repr=False, alias="key")
    _begun: bool = False
    _changed: trio.Event = attrs.Factory(trio.Event)

    @property
    def over(self) -> bool:
        """Whether nothing more comes."""
        return self.final or self.trouble is not None

    async def listen(self) -> None:
        """Take what the server says until it says no more. Raises nothing."""
        try:
            while not self.over:
                self._take(_decoded(self.url, await self.socket.receive()))
        except WebSocketError as error:
            self.trouble = self._trouble(f"{self.url}: {error}")
        except ProviderError as error:
            self.trouble = self._trouble(error.message, error.hint)
        self.socket.close()
        self._changed.set()

    async def append(self, pcm: Pcm) -> None:
        """Send audio."""
        if not self._begun:
            self._begun = True
            await self._send({"type": "input_audio_buffer.commit", "final": False})
        for start in range(0, len(pcm), CHUNK_SAMPLES):
            data = (
                pcm[start : start + CHUNK_SAMPLES].astype("<i2", copy=False).tobytes()
            )
            audio = base64.b64encode(data).decode()
            await self._send({"type": "input_audio_buffer.append", "audio": audio})

    async def conclude(self, timeout_s: float) -> None:
        """Say that the utterance is over, and wait for its transcript."""
        await self._send({"type": "input_audio_buffer.commit", "final": True})
        with trio.move_on_after(timeout_s) as patience:
            await self._changed.wait()
        if patience.cancelled_caught:
            raise ProviderError(
                f"{self.url}: no transcript within {timeout_s:g} s",
                hint="see whether the server is overloaded, or raise answer_timeout_s",
            )

    async def _send(self, event: dict[str, Any]) -> None:
        if self.over:
            return
        try:
            await self.socket.send(json.dumps(event))
        except WebSocketError as error:
            # What the server said before it went is worth more.
            if self.trouble is None:
                self.trouble = self._trouble(f"{self.url}: {error}")

    def _trouble(self, message: str, hint: str = "") -> ProviderError:
        """Its words are the server's, who knows our key."""
        return ProviderError(redacted(message, self._key), hint=hint)

    def _take(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "transcription.delta":
            self.text += _text(self.url, event, "delta")
        elif kind == "transcription.done":
            self.text, self.final = _text(self.url, event, "text"), True
        elif kind == "error":
            raise ProviderError(f"{self.url}: {error_message(json.dumps(event))}")
        if len(self.text) > MAX_CHARS:
            raise ProviderError(f"{self.url}: more than {MAX_CHARS} characters")


def _text(url: str, event: dict[str, Any], key: str) -> str:
    text = event.get(key)
    if not isinstance(text, str):
        raise ProviderError(f"{url}: {event['type']} has no {key}")
    return text


def _decoded(url: str, message: str) -> dict[str, Any]:
    try:
        event = json.loads(message)
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict):
        raise ProviderError(
            f"{url}: it sent no event: {shorten(message)}", hint=_REALTIME_HINT
        )
    return event


async def open_session(options: Options) -> Session:
    """Connect, and choose the model.

    Raises:
        NoRealtime: somebody is there, but not a realtime server.
        ProviderUnavailable: nobody is there, or nobody who lets us in.
    """
    url = "ws" + options.base_url.rstrip("/").removeprefix("http") + "/realtime"
    key = options.api_key
    limits = Limits(
        connect_s=options.connect_timeout_s, send_s=options.answer_timeout_s
    )
    try:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        socket = await connect(url, headers, limits)
    except Refused as error:
        said = redacted(f"{url}: {error}", key)
        if error.status in _UNAUTHORIZED:
            hint = "set api_key in [asr.qwen] to a key that the server takes"
            raise ProviderUnavailable(said, hint=hint) from error
        raise NoRealtime(said, hint=_REALTIME_HINT) from error
    except Unreachable as error:
        raise ProviderUnavailable(f"{url}: {error}", hint=_START_HINT) from error
    except WebSocketError as error:
        raise NoRealtime(f"{url}: {error}", hint=_REALTIME_HINT) from error
    try:
        with trio.fail_after(options.answer_timeout_s):
            await _introduce(url, socket, options)
    except trio.TooSlowError:
        socket.close()
        text = f"{url}: it did not begin within {options.answer_timeout_s:g} s"
        raise NoRealtime(text, hint=_REALTIME_HINT) from None
    except BaseException:
        socket.close()
        raise
    return Session(url, socket, key=key)


async def _introduce(url: str, socket: WebSocket, options: Options) -> None:
    wanted = {"language": options.language, "prompt": options.prompt}
    update = {"type": "session.update", "model": options.model}
    try:
        event = _decoded(url, await socket.receive())
        if event.get("type") != "session.created":
            said = error_message(json.dumps(event))
            raise NoRealtime(f"{url}: it began with {said}", hint=_REALTIME_HINT)
        await socket.send(
            json.dumps(update | {key: text for key, text in wanted.items() if text})
        )
    except WebSocketError as error:
        raise NoRealtime(f"{url}: {error}", hint=_REALTIME_HINT) from error
