"""What language model, recognizer and synthesizer servers send, and child processes."""

from __future__ import annotations

import functools
import json
import math
import struct
from typing import Any

import httpx
import trio

from providers.asr import sherpa_pipe
from providers.http_words import error_message
from providers.llm import chat_wire, openai
from providers.llm.chat_http import ChatHttp
from providers.llm.incoming import IncomingReply
from providers.tts.openai_wav import NotSpeech, SpeechBytes
from tests.fuzzing.feeding import Fed, pieces
from tests.fuzzing.target import Target
from trioagent.errors import ProviderError

_URL = "http://server/v1"


class Answers(httpx.AsyncBaseTransport):
    """A server whose next answer has this status (from the first byte) and body."""

    def __init__(self) -> None:
        self.client = httpx.AsyncClient(transport=self)
        self.data = b""

    def give(self, data: bytes) -> httpx.AsyncClient:
        """To be the answer of the client that is returned."""
        self.data = data
        return self.client

    async def handle_async_request(self, _request: httpx.Request) -> httpx.Response:
        status, body = (200 if self.data[:1] < b"\xe0" else 404), self.data[1:]
        kind = {"Content-Type": "text/event-stream; charset=utf-8"}
        return httpx.Response(status, headers=kind, stream=_Body(body))


class _Body(httpx.AsyncByteStream):
    """No generator: Trio would complain of each that is not read to its end."""

    def __init__(self, data: bytes) -> None:
        self._parts = iter(pieces(data))

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        for part in self._parts:
            return part
        raise StopAsyncIteration


@functools.cache
def answers() -> Answers:
    """One for all: a client takes longer to make than an answer to read."""
    return Answers()


@functools.cache
def _chat_http() -> ChatHttp:
    return ChatHttp(openai.Options(api_key="sk-not-to-be-seen"))


def _event(text: str, **more: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, **more}
    event = {"id": "1", "object": "chat.completion.chunk", "choices": [choice]}
    return b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n"


def _chat_seeds() -> list[bytes]:
    usage = {"prompt_tokens": 3, "prompt_tokens_details": {"cached_tokens": 2}}
    end = b"data: [DONE]\n\n"
    counted = json.dumps({"choices": [], "usage": usage}).encode()
    return [
        b"\0" + _event("Hello") + _event(" th\u2028ere", finish_reason="stop") + end,
        b"\0" + _event("<think>hm</think>Yes.") + b"data: " + counted + b"\n\n" + end,
        b"\0: a comment\r\nevent: x\rretry: 3\nid: 1\n" + _event("A") + end,
        b"\0" + _event("", reasoning_content="hm") + _event("B") + end,
        b'\0data: {"error": {"message": "overloaded", "code": 500}}\n\n',
        b'\xff{"error": {"message": "no such model"}}',
    ]


async def _chats(data: bytes) -> None:
    http = _chat_http()
    http._client = answers().give(data)
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, receive:
        reply = IncomingReply(_URL, send, trio.CancelScope())
        async with http.events(_URL, {}) as events:
            await reply.pass_on(events, 5.0)
        reply.expect_words()


def _chunk(data: bytes) -> None:
    text = data.decode(errors="replace")
    chat_wire.model_names(text)
    chunk = chat_wire.read_chunk(text)
    assert isinstance(chunk.text, str), chunk


def _error_words(data: bytes) -> None:
    said = error_message(data.decode(errors="replace"))
    assert len(said) <= 400, "too long for a message"
    said.encode()  # it goes to logs and terminals
    assert "\n" not in said, "more than one line"


# --- speech ----------------------------------------------------------------------


def wav(rate_hz: int = 24_000, channels: int = 1, extra: bytes = b"") -> bytes:
    """A short WAV file, with another chunk in front of its samples."""
    samples = bytes(range(200)) * 2 * channels
    form = struct.pack("<HHIIHH", 1, channels, rate_hz, rate_hz * 2, 2 * channels, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + extra
    body += b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _wav_seeds() -> list[bytes]:
    listed = b"LIST" + struct.pack("<I", 5) + b"INFO\0\0"
    return [wav(), wav(16_000, 2, listed), wav(48_000), bytes(500), b"ID3\4rest"]


def _speech(data: bytes) -> None:
    """Any split gives the same, samples and errors."""
    answers = []
    for parts in ([data], pieces(data)):
        reader = SpeechBytes(24_000)
        try:
            found = [reader.push(part) for part in parts]
            answers.append((reader.source_hz, sum(map(len, [*found, reader.finish()]))))
        except NotSpeech:
            answers.append((0, -1))
    assert answers[0] == answers[1], "another split, another answer"


# --- our own child processes -----------------------------------------------------


async def _replies(data: bytes) -> None:
    """What a recognizer's process sends; a library in it may have printed something."""
    from providers.asr.sherpa_child import Child  # noqa: PLC0415

    child = Child.__new__(Child)
    fed: Any = Fed(pieces(data))
    child._reader = sherpa_pipe.Reader(fed)
    while (found := await child._next_reply()) is not None:
        _, reply = found
        assert isinstance(reply, dict), reply


def _reply(utterance: int, text: str) -> bytes:
    body = json.dumps({"text": text}).encode()
    return sherpa_pipe.REPLY.pack(utterance, len(body)) + body


TARGETS = (
    Target(
        "llm.stream",
        _chats,
        _chat_seeds,
        (ProviderError,),
        tokens=(b"data: ", b"\n\n", b"\r\r", b"[DONE]", b"<think>", b"</think>"),
        is_json=True,
    ),
    Target(
        "llm.chunk",
        _chunk,
        lambda: (
            [s[1:].split(b"data: ")[-1].strip() or b"{}" for s in _chat_seeds()]
            + [_event("x")[6:], b'{"data": [{"id": "m"}]}']
        ),
        (chat_wire.WireError,),
        tokens=(b'"choices"', b'"delta"', b'"content"', b'"usage"', b'"finish_reason"'),
        is_json=True,
    ),
    Target(
        "http.error_words",
        _error_words,
        lambda: [
            b'{"error": {"message": "no such model", "type": "x"}}',
            b'{"detail": [{"msg": "field required"}]}',
            b"<html><body>502 Bad Gateway</body></html>",
            b'{"message": "\\u001b[2J"}',
        ],
        tokens=(b'"error":', b'"message":', b'"detail":', b"\\ud800", b"\x1b]0;"),
        is_json=True,
    ),
    Target(
        "tts.wav_answer",
        _speech,
        _wav_seeds,
        tokens=(b"RIFF", b"data", b"fmt ", b"LIST", b"\x01\x00\x01\x00", b"\x10\x00"),
    ),
    Target(
        "asr.child_pipe",
        _replies,
        lambda: [_reply(0, "loaded") + _reply(1, "hello") + _reply(2, "x")],
        (ProviderError,),
        is_json=True,
    ),
)
