"""Servers that send too much, or something else."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from providers.llm.openai import PROVIDER, Options
from tests.e2e.sse_server import Answer, says
from tests.test_llm_openai import HELLO, ask, ask_and_fail, open_llm
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import LanguageModel

MIB = 1 << 20
STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n"
PIECE = b'data: {"choices": [{"delta": {"content": "%s"}}]}\n\n' % (b"x" * 1000)

Behaviour = Callable[[trio.SocketStream], Awaitable[None]]


@asynccontextmanager
async def raw_server(
    behave: Behaviour, **options: float
) -> AsyncIterator[LanguageModel]:
    """A model behind a server that does what `behave` does with each connection."""

    async def serve(stream: trio.SocketStream) -> None:
        try:
            async with stream:
                await stream.receive_some()
                await behave(stream)
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        serve_tcp = partial(trio.serve_tcp, serve, 0, host="127.0.0.1")
        listeners = await nursery.start(serve_tcp)
        url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"
        chosen = Options(base_url=url, model="m", retry_budget_s=0.2, **options)
        async with PROVIDER.open(chosen) as llm:
            yield llm
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "endless",
    [b"data: " + b"x" * 65_000, b"x" * 65_000, b"data: xxxxxxx\n" * 5000],
    ids=["a line", "no field", "lines"],
)
async def test_an_event_without_end(endless: bytes) -> None:
    sent = 0

    async def behave(stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.send_all(STREAM)
        while True:
            await stream.send_all(endless)
            sent += len(endless)

    async with raw_server(behave) as llm:
        with trio.fail_after(5):
            _, error = await ask_and_fail(llm)
    assert "sent an event that is too long" in error.message
    assert len(error.message) < 1000
    assert sent < 16 * MIB


async def test_an_event_that_is_too_long_comes_after_good_ones() -> None:
    pieces = ((0.0, "One "), (0.0, b"data: " + b"x" * 2 * MIB))
    script = [Answer(pieces=pieces), says("Again.")]
    async with open_llm(script) as (llm, _):
        said, error = await ask_and_fail(llm)
        assert said == ["One "]
        assert "too long" in error.message
        assert await ask(llm) == ["Again. "]


async def test_a_long_reply_of_short_events_is_no_event_that_is_too_long() -> None:
    pieces = tuple((0.0, "x" * 1000) for _ in range(3000))
    async with open_llm(Answer(pieces=pieces)) as (llm, _):
        assert len("".join(await ask(llm))) == 3_000_000


async def test_what_nobody_reads_stays_at_the_server() -> None:
    sent = 0

    async def behave(stream: trio.SocketStream) -> None:
        nonlocal sent
        await stream.send_all(STREAM)
        while True:
            await stream.send_all(PIECE)
            sent += len(PIECE)

    async with raw_server(behave) as llm:
        send, receive = trio.open_memory_channel[str](0)
        with send, receive:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(llm.reply, HELLO, send)
                await receive.receive()
                before = -1
                while sent != before:
                    before = sent
                    await trio.sleep(0.1)
                # What the sockets of both sides hold.
                assert before < 16 * MIB
                for _ in range(1000):
                    await receive.receive()
                nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"\x00\x01\x02" * 1000,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b'{"type": "describe"}\n',
        b"HTTP/1.1 200 OK\r\nx: " + b"x" * MIB,
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\n\r\n<html>",
        b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\n\r\n",
        STREAM[:-2] + b"content-encoding: gzip\r\n\r\nno gzip",
        STREAM + b"data: \xff\xfe\n\n",
        STREAM + b'data: {"choices": [{"delta": {"content": "\n\n',
        STREAM + b"data: " + b"[" * 500_000 + b"\n\n",
    ],
    ids=[
        *("closes", "binary", "ssh", "wyoming", "header", "html", "redirect"),
        *("no gzip", "no utf-8", "half", "deep"),
    ],
)
async def test_another_protocol(answer: bytes) -> None:
    async def behave(stream: trio.SocketStream) -> None:
        await stream.send_all(answer)

    async with raw_server(behave, first_token_timeout_s=1.0) as llm:
        for call in (llm.check, partial(ask, llm)):
            if call == llm.check and answer.startswith(b"HTTP/1.1 200"):
                continue
            with pytest.raises(ProviderError) as caught, trio.fail_after(5):
                await call()
            assert "http://127.0.0.1:" in caught.value.message
            assert len(caught.value.message) < 1000


async def test_a_refusal_without_end() -> None:
    async def behave(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 500 No\r\ncontent-type: text/html\r\n\r\n")
        while True:
            await stream.send_all(b"x" * 65_000)

    async with raw_server(behave) as llm:
        with trio.fail_after(5):
            _, error = await ask_and_fail(llm)
    assert isinstance(error, ProviderUnavailable)
    assert len(error.message) < 1000


async def test_a_list_of_models_without_end() -> None:
    async def behave(stream: trio.SocketStream) -> None:
        await stream.send_all(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            await stream.send_all(b"x" * 65_000)

    async with raw_server(behave) as llm:
        with pytest.raises(ProviderError, match="too much"), trio.fail_after(5):
            await llm.check()


async def test_memory_of_many_cancelled_replies_is_given_back() -> None:
    async with open_llm(says("one two three", token_s=0.001)) as (llm, server):
        for _ in range(50):
            send, receive = trio.open_memory_channel[str](math.inf)
            with send, receive:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(llm.reply, HELLO, send)
                    await receive.receive()
                    nursery.cancel_scope.cancel()
        await ask(llm)
        await server.until(lambda s: s.open_connections == 1)
