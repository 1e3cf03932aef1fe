"""Servers that are none, go away, say nothing, or far too much."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import trio
from wsproto.events import (
    BytesMessage,
    CloseConnection,
    TextMessage,
)

from providers.asr import qwen
from providers.asr.qwen_session import NoRealtime, open_session
from tests.contract.asr_contract import transcribe
from tests.helpers_qwen_hostile import (
    SOME_AUDIO,
    Script,
    hasty,
    listening,
    with_models,
)
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from tests.helpers_qwen_hostile import Behaviour


def _says(data: bytes, *, then_waits: bool = False) -> Behaviour:
    async def behave(stream: trio.SocketStream) -> None:
        await stream.receive_some()
        await stream.send_all(data)
        if then_waits:
            await trio.sleep_forever()

    return behave


async def _says_nothing(stream: trio.SocketStream) -> None:
    await trio.sleep_forever()


async def _closes(stream: trio.SocketStream) -> None:
    await stream.receive_some()


NO_REALTIME = {
    "says nothing": (_says_nothing, "did not answer within"),
    "closes at once": (_closes, "without a word"),
    "speaks something else": (
        _says(b"220 mail.example ESMTP\r\n\r\n"),
        "speak WebSocket",
    ),
    "has no such page": (
        _says(b"HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nNot Found"),
        "answered 404: Not Found",
    ),
    "answers without end": (
        _says(b"HTTP/1.1 200 OK\r\n\r\n" + bytes(100_000), then_waits=True),
        "answered 200",
    ),
    "never begins": (Script(first=()), "did not begin"),
    "begins with something else": (
        Script(first=[TextMessage(data='{"type": "hello"}')]),
        "began with",
    ),
    "sends no events": (Script(first=[TextMessage(data="hello")]), "sent no event"),
    "sends bytes": (Script(first=[BytesMessage(data=b"\0")]), "bytes where text"),
    "closes the session": (
        Script(first=[CloseConnection(code=1008, reason="go away")]),
        "1008: go away",
    ),
    "sends a message without end": (
        Script(first=[TextMessage(data="x" * (1 << 16), message_finished=False)] * 17),
        "message of more than",
    ),
}


@pytest.mark.parametrize("name", NO_REALTIME)
async def test_what_is_no_realtime_server_is_said_to_be_none(name: str) -> None:
    behave, said = NO_REALTIME[name]
    async with listening(behave) as base_url:
        with trio.fail_after(5):
            with pytest.raises(ProviderError, match=said) as caught:
                await open_session(hasty(base_url))
    assert "/v1/realtime" in caught.value.message
    assert "mode" in caught.value.hint


async def test_nobody_is_there() -> None:
    async with listening(_closes) as base_url:
        pass
    for mode in ("realtime", "transcriptions", "auto"):
        with pytest.raises(ProviderUnavailable, match="no connection") as caught:
            async with qwen.PROVIDER.open(hasty(base_url, mode)):
                pass
        assert "base_url" in caught.value.hint
    with pytest.raises(ProviderUnavailable) as caught:
        await open_session(hasty(base_url))
    assert not isinstance(caught.value, NoRealtime)


def _http(status: bytes, body: bytes) -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return head + body


BAD_ANSWERS = {
    "nothing": (b"", "broke off|disconnected"),
    "another protocol": (b"220 mail.example\r\n", "broke off|did not answer as asked"),
    "no JSON": (_http(b"200 OK", b"<html>"), "no JSON"),
    "no text": (_http(b"200 OK", b'{"txt": "hello"}'), "no transcript"),
    "no object": (_http(b"200 OK", b"[1]"), "no transcript"),
    "deep nonsense": (_http(b"200 OK", b"[" * 100_000), "no JSON"),
    "too much": (_http(b"200 OK", b" " * (2 << 20)), "more than 1048576 bytes"),
    "half an answer": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", "broke off"),
    "no": (_http(b"400 Bad Request", b'{"error":{"message":"too loud"}}'), "too loud"),
    "failure": (_http(b"500 Internal Server Error", b"CUDA"), "500 .*: CUDA"),
    "no endpoint": (_http(b"404 Not Found", b"{}"), "404"),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
async def test_an_answer_that_is_none_is_an_error(name: str) -> None:
    answer, said = BAD_ANSWERS[name]
    async with listening(with_models(_says_nothing, answer)) as base_url:
        options = hasty(base_url, "transcriptions")
        async with qwen.PROVIDER.open(options) as recognizer:
            with trio.fail_after(5), pytest.raises(ProviderError, match=said):
                await transcribe(recognizer, SOME_AUDIO)


async def test_a_server_that_never_answers_has_its_time() -> None:
    async with listening(_says_nothing) as base_url:
        for mode in ("auto", "transcriptions"):
            with trio.fail_after(5):
                with pytest.raises(ProviderUnavailable, match="no answer within"):
                    async with qwen.PROVIDER.open(hasty(base_url, mode)):
                        pass
