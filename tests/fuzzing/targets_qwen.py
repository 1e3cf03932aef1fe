"""What Qwen servers send, over HTTP and in WebSockets."""

from __future__ import annotations

import functools
import json
import struct
from typing import Any

import numpy as np
from wsproto.events import Request
from wsproto.utilities import generate_accept_token

from providers.asr import qwen
from providers.asr.qwen_http import TranscriptionClient
from providers.asr.qwen_session import Session
from providers.asr.qwen_text import transcript
from providers.websocket import Limits, WebSocket, WebSocketError
from tests.fuzzing.feeding import Fed, pieces
from tests.fuzzing.target import Target
from tests.fuzzing.targets_models import answers
from trioagent.errors import ProviderError

# --- Qwen ------------------------------------------------------------------------


@functools.cache
def _transcriptions() -> TranscriptionClient:
    return TranscriptionClient(qwen.Options())


async def _transcribes(data: bytes) -> None:
    client = _transcriptions()
    client._client = answers().give(data)
    text = await client.transcribe(np.zeros(1600, np.int16))
    assert isinstance(text, str), text


async def _lists_models(data: bytes) -> None:
    client = _transcriptions()
    client._client = answers().give(data)
    await client.check()


class _Server(Fed):
    """Its answer to a handshake depends on the random key in the request."""

    async def send_all(self, data: bytes) -> None:
        await super().send_all(data)
        _, name, rest = data.partition(b"Sec-WebSocket-Key: ")
        if name and _ANY_TOKEN in (left := self.left):
            token = generate_accept_token(rest.partition(b"\r\n")[0])
            answer = left.replace(_ANY_TOKEN, token)
            self.feed(pieces(answer) if len(self._parts) > 1 else [answer])


def _socket(parts: list[bytes]) -> WebSocket:
    server: Any = _Server(parts)
    return WebSocket(server, server, Limits())


_ANY_TOKEN = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
_ACCEPTED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
    b"Connection: Upgrade\r\nSec-WebSocket-Accept: " + _ANY_TOKEN + b"\r\n\r\n"
)


def _frame(text: bytes, opcode: int = 1, *, final: bool = True) -> bytes:
    size = len(text)
    length = bytes((size,)) if size < 126 else b"\x7e" + struct.pack(">H", size)
    return bytes((opcode | 0x80 * final,)) + length + text


def _said(**event: object) -> bytes:
    return _frame(json.dumps(event).encode())


def _realtime_seeds() -> list[bytes]:
    created = _said(type="session.created", id="x")
    deltas = [_said(type="transcription.delta", delta=t) for t in ("language En", "gl")]
    done = _said(type="transcription.done", text="language English<asr_text>Hi.")
    cut = _frame(b'{"type":', final=False) + _frame(b'"error"}', 0)
    return [
        b"".join([created, *deltas, done]),
        created + _frame(b"hi", 9) + _frame(b"", 10) + cut,
        created + _frame(struct.pack(">H", 1000) + b"bye", 8),
        _said(type="error", error={"message": "no", "code": [1]}),
        _frame(b"\x00\x01", 2),
    ]


async def _hears_realtime(data: bytes) -> None:
    """After a handshake that went well: frames, and the events in them."""
    socket = _socket([_ACCEPTED])
    await socket.shake_hands(Request(host="server", target="/v1/realtime"))
    socket._stream.feed(pieces(data))  # type: ignore[attr-defined] # ours
    session = Session("ws://server/v1/realtime", socket)
    await session.listen()
    assert session.over, "it stopped listening, and does not know why"
    transcript(session.text, final=False)
    transcript(session.text)


async def _shakes_hands(data: bytes) -> None:
    socket = _socket(pieces(data))
    await socket.shake_hands(Request(host="server", target="/v1/realtime"))


def _handshake_seeds() -> list[bytes]:
    return [
        _ACCEPTED + _frame(b"hello"),
        b'HTTP/1.1 404 Not Found\r\nContent-Length: 18\r\n\r\n{"error":"nothing"}',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 500 \r\n\r\nbody",
    ]


TARGETS = (
    Target(
        "qwen.transcription",
        _transcribes,
        lambda: [b'\0{"text": "language English<asr_text>Hi."}', b'\xff{"error": 1}'],
        (ProviderError,),
        tokens=(b"language ", b"<asr_text>", b"<|", b"|>", b" "),
        is_json=True,
    ),
    Target(
        "qwen.models",
        _lists_models,
        lambda: [b'\0{"data": [{"id": "a"}, {"id": 5}]}', b"\xff[]"],
        (ProviderError,),
        is_json=True,
    ),
    Target(
        "qwen.realtime",
        _hears_realtime,
        _realtime_seeds,
        tokens=(
            b"\x81\x7e",
            b"\x81\x7f",
            b"\x01\x00",
            b"\x80\x00",
            b"\x88\x02\x03\xe8",
        ),
    ),
    Target(
        "websocket.handshake",
        _shakes_hands,
        _handshake_seeds,
        (WebSocketError,),
        tokens=(b"\r\n", b"\r\n\r\n", b"HTTP/1.1 ", b"Content-Length: ", b"chunked"),
    ),
    Target(
        "qwen.text",
        lambda data: transcript(data.decode(errors="replace"), final=bool(data[:1])),
        lambda: [b"language English<asr_text>Hello <|x|> there", b"language None"],
        tokens=(b"language ", b"<asr_text>", b"<|", b"|>", b"\t", b"language\tEnglish"),
    ),
)
