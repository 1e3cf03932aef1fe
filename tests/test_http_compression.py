"""No answer is expanded: neither models' texts nor their speech come compressed."""

from __future__ import annotations

import gzip
import math
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

import attrs
import numpy as np
import pytest
import trio

from providers.asr import qwen
from providers.asr.qwen_http import TranscriptionClient
from providers.llm import openai
from providers.llm.chat_http import ChatHttp
from providers.tts import openai as tts_openai
from providers.tts.openai_speech import SpeechClient
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import Speech

EXPANDED_BYTES = 50_000_000
BOMB = gzip.compress(bytes(EXPANDED_BYTES), compresslevel=9)
MOST_BYTES = 5_000_000

Ask = Callable[[str], Awaitable[object]]


@attrs.define(eq=False)
class Server:
    """Answers everything in the same way."""

    body: bytes
    headers: bytes
    status: bytes = b"200 OK"
    url: str = ""
    requests: list[bytes] = attrs.Factory(list)

    async def serve(self, stream: trio.SocketStream) -> None:
        async with stream:
            request = b""
            while b"\r\n\r\n" not in request:
                part = await stream.receive_some()
                if not part:
                    return
                request += part
            self.requests.append(request.partition(b"\r\n\r\n")[0].lower())
            head = b"HTTP/1.1 " + self.status + b"\r\nConnection: close\r\n"
            length = b"Content-Length: %d\r\n" % len(self.body)
            answer = head + length + self.headers + b"\r\n\r\n" + self.body
            with suppress(trio.BrokenResourceError):  # They may have seen enough.
                await stream.send_all(answer)


@asynccontextmanager
async def serving(server: Server) -> AsyncIterator[Server]:
    async with trio.open_nursery() as nursery:
        (listener,) = await nursery.start(
            partial(trio.serve_tcp, server.serve, 0, host="127.0.0.1")
        )
        server.url = f"http://127.0.0.1:{listener.socket.getsockname()[1]}/v1"
        yield server
        nursery.cancel_scope.cancel()


async def chats(url: str) -> list[str]:
    http = ChatHttp(openai.Options(base_url=url, headers={"accept-encoding": "gzip"}))
    async with http.closing(), http.events(f"{url}/chat", {}) as events:
        return [event.data async for event in events]


async def lists_chat_models(url: str) -> str:
    http = ChatHttp(openai.Options(base_url=url))
    async with http.closing():
        return await http.listing(f"{url}/models")


async def transcribes(url: str) -> str:
    client = TranscriptionClient(qwen.Options(base_url=url))
    async with client.closing():
        return await client.transcribe(np.zeros(160, np.int16))


async def lists_recognizers(url: str) -> None:
    client = TranscriptionClient(qwen.Options(base_url=url))
    async with client.closing():
        await client.check()


async def speaks(url: str) -> int:
    client = SpeechClient(tts_openai.Options(base_url=url, response_format="pcm"))
    send, receive = trio.open_memory_channel[Speech](math.inf)
    async with client.closing():
        with send, receive:
            await client.synthesize("Hello.", send)
            return receive.statistics().current_buffer_used


ALL = (chats, lists_chat_models, transcribes, lists_recognizers, speaks)


@pytest.mark.parametrize("ask", ALL)
@pytest.mark.parametrize("encoding", [b"gzip", b"x-gzip, DEFLATE", b"zstd"])
async def test_a_compressed_answer_is_refused_and_never_expanded(
    ask: Ask, encoding: bytes
) -> None:
    async with serving(Server(BOMB, b"Content-Encoding: " + encoding)) as server:
        tracemalloc.start()
        try:
            with trio.fail_after(30), pytest.raises(ProviderError) as caught:
                await ask(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert server.url in caught.value.message
    assert f"sent a compressed answer ({encoding.decode()})" in caught.value.message
    assert "compression" in caught.value.hint
    assert peak < MOST_BYTES, "it was expanded"


@pytest.mark.parametrize("ask", ALL)
async def test_no_compression_is_asked_for(ask: Ask) -> None:
    async with serving(Server(b"", b"Content-Encoding: gzip")) as server:
        with trio.fail_after(30), pytest.raises(ProviderError):
            await ask(server.url)
    (request,) = server.requests
    asked = [line for line in request.split(b"\r\n") if b"accept-encoding" in line]
    assert asked == [b"accept-encoding: identity"]


@pytest.mark.parametrize("ask", [chats, transcribes, speaks])
async def test_of_a_compressed_refusal_the_status_counts(ask: Ask) -> None:
    """Proxies compress their pages of errors, asked or not."""
    server = Server(BOMB, b"Content-Encoding: gzip", b"404 Not Found")
    async with serving(server):
        with trio.fail_after(30), pytest.raises(ProviderUnavailable) as caught:
            await ask(server.url)
    said = "answered 404 Not Found: a compressed body (gzip)"
    assert said in caught.value.message
    assert "base_url" in caught.value.hint


async def test_a_page_that_is_not_there_may_be_compressed() -> None:
    server = Server(BOMB, b"Content-Encoding: gzip", b"404 Not Found")
    async with serving(server):
        with trio.fail_after(30):
            assert await lists_chat_models(server.url) == ""


async def test_identity_is_no_compression() -> None:
    server = Server(b'{"text": "Hi."}', b"Content-Encoding: Identity")
    async with serving(server):
        with trio.fail_after(30):
            assert await transcribes(server.url) == "Hi."
