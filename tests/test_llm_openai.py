"""The client against a real HTTP server, on real sockets."""

from __future__ import annotations

import logging
import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from providers.llm.openai import PROVIDER, Options
from tests.e2e.sse_server import Answer, Script, SseServer, open_sse_server, says
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import LanguageModel, Message

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

HELLO = [Message("system", "Be brief."), Message("user", "Hello?")]
KEY = "sk-0123456789abcdef"


@asynccontextmanager
async def open_llm(
    script: Script, **options: Any
) -> AsyncIterator[tuple[LanguageModel, SseServer]]:
    async with open_sse_server(script) as server:
        chosen = attrs.evolve(
            Options(base_url=server.url, model="test-model"), **options
        )
        async with PROVIDER.open(chosen) as llm:
            yield llm, server


async def ask(llm: LanguageModel) -> list[str]:
    send, receive = trio.open_memory_channel[str](math.inf)
    with send:
        await llm.reply(HELLO, send)
    return [piece async for piece in receive]


async def ask_and_fail(llm: LanguageModel) -> tuple[list[str], ProviderError]:
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, pytest.raises(ProviderError) as caught:
        await llm.reply(HELLO, send)
    return [piece async for piece in receive], caught.value


async def test_a_reply_and_what_was_asked() -> None:
    extra = {"top_p": 0.5, "stream": False}
    async with open_llm(says("Hi there."), api_key=KEY, extra=extra) as (llm, server):
        assert await ask(llm) == ["Hi ", "there. "]
    request = server.requests[0]
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.body == {
        "model": "test-model",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Hello?"},
        ],
        "max_tokens": 80,
        "temperature": 0.3,
        "top_p": 0.5,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


async def test_the_first_listed_model_is_taken() -> None:
    async with open_llm(says("Hi."), model="") as (llm, server):
        server.models = ("one", "two")
        assert await ask(llm) == ["Hi. "]
        assert server.requests[0].body["model"] == "one"
        assert llm.name == f"one at {server.url}"
        server.models = ("three",)
        await llm.check()
        assert llm.name.startswith("three at ")


async def test_max_completion_tokens_replaces_max_tokens() -> None:
    extra = {"max_completion_tokens": 9}
    async with open_llm(says("Hi."), extra=extra) as (llm, server):
        await ask(llm)
    assert "max_tokens" not in server.requests[0].body


async def test_only_speech_is_sent() -> None:
    pieces = (
        (0, {"role": "assistant", "content": ""}),
        (0, {"reasoning_content": "hm"}),
        (0, {"reasoning": "hm", "content": None}),
        (0, b": a comment\n\n"),
        (0, b'data: {"choices": [], "usage": {"total_tokens": 3}}\n\n'),
        (0, "<think>no</think>"),
        (0, "Yes"),
    )
    async with open_llm(Answer(pieces=pieces)) as (llm, _):
        assert await ask(llm) == ["Yes"]


@pytest.mark.parametrize("cut_bytes", [1, 3, 7, 1000])
async def test_text_survives_any_cut(cut_bytes: int) -> None:
    texts = ["one\u2028two", "\x85three", "vier \N{BEER MUG}", "\r\n \u2029 fünf"]
    pieces = tuple((0.0, text) for text in texts)
    async with open_llm(Answer(pieces=pieces, cut_bytes=cut_bytes)) as (llm, _):
        assert await ask(llm) == texts


@pytest.mark.parametrize("ending", ["full", "finish", "done", "linger"])
async def test_ways_to_end(ending: Any) -> None:
    answer = Answer(pieces=((0, "Hi."),), ending=ending)
    async with open_llm(answer) as (llm, _):
        with trio.fail_after(2):
            assert await ask(llm) == ["Hi."]


async def test_one_connection_for_many_replies() -> None:
    async with open_llm(says("Hi there.")) as (llm, server):
        await llm.check()
        for _ in range(10):
            await ask(llm)
        assert len(server.requests) == 10
        assert server.connections == 1


@pytest.mark.parametrize("headers_delay_s", [0.0, 60.0])
async def test_a_cancelled_reply_is_cancelled_at_the_server(
    headers_delay_s: float,
) -> None:
    slow = Answer(pieces=((0, "Hi."),), ending="stall", headers_delay_s=headers_delay_s)
    async with open_llm([slow, says("Again.")]) as (llm, server):
        await llm.check()
        send, receive = trio.open_memory_channel[str](0)
        with receive:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(llm.reply, HELLO, send)
                await server.until(lambda s: len(s.requests) == 1)
                if not headers_delay_s:
                    assert await receive.receive() == "Hi."
                nursery.cancel_scope.cancel()
        await server.until(lambda s: s.cancelled == 1)
        for _ in range(5):
            assert await ask(llm) == ["Again. "]
        assert server.connections == 2
        assert server.open_connections == 1


async def test_cancelled_at_any_moment_nothing_is_left_open() -> None:
    answer = says("one two three four", first_s=0.001, token_s=0.001)
    async with open_llm(answer) as (llm, server):
        for i in range(40):
            with trio.move_on_after(i * 0.0004):
                await ask(llm)
        assert len(await ask(llm)) == 4
        await server.until(lambda s: s.open_connections == 1)


async def test_cancelled_while_the_reader_makes_it_wait() -> None:
    async with open_llm(says("one two three")) as (llm, _):
        send, receive = trio.open_memory_channel[str](0)
        with receive:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(llm.reply, HELLO, send)
                await receive.receive()
                await trio.testing.wait_all_tasks_blocked(0.02)
                nursery.cancel_scope.cancel()
        assert await ask(llm) == ["one ", "two ", "three "]


async def test_a_slow_reader_is_no_stall() -> None:
    answer = says("one two three")
    async with open_llm(answer, token_timeout_s=0.3) as (llm, _):
        send, receive = trio.open_memory_channel[str](0)
        said = []

        async def reply() -> None:
            with send:
                await llm.reply(HELLO, send)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reply)
            async for piece in receive:
                said.append(piece)
                await trio.sleep(0.5 if len(said) == 1 else 0)
    assert said == ["one ", "two ", "three "]


async def test_a_kept_connection_that_died_is_replaced() -> None:
    script = [says("One."), Answer(hang_up=True), says("Two.")]
    async with open_llm(script) as (llm, server):
        assert await ask(llm) == ["One. "]
        assert await ask(llm) == ["Two. "]
        assert server.connections == 2


async def test_a_server_that_always_hangs_up() -> None:
    async with open_llm(Answer(hang_up=True), retry_budget_s=0) as (llm, server):
        said, error = await ask_and_fail(llm)
        assert said == []
        assert server.url in error.message
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "said", "message"),
    [
        (Answer(pieces=((0, "a"), (0, b"data: {oops\n\n"))), ["a"], "no JSON: {oops"),
        (Answer(pieces=((0, b"data: [1]\n\n"),)), [], "no chat completion"),
        (Answer(pieces=((0, b'data: {"a": 1}\n\n'),)), [], "no chat completion"),
        (Answer(pieces=((0, {"content": 7}),)), [], "no chat completion"),
        (
            Answer(pieces=((0, "a"), (0, b'data: {"error": {"message": "OOM"}}\n\n'))),
            ["a"],
            "failed: OOM",
        ),
        (Answer(pieces=((0, "a"),), ending="cut"), ["a"], "broke off"),
        (Answer(pieces=((0, "a"),), ending="none"), ["a"], "in the middle"),
        (Answer(content_type="application/json"), [], "text/event-stream"),
        (Answer(status=400, error={"error": "too long"}), [], "400 .*too long"),
    ],
)
async def test_faults(answer: Answer, said: list[str], message: str) -> None:
    script = [answer, says("Again.")]
    async with open_llm(script, usage=False) as (llm, server):
        pieces, error = await ask_and_fail(llm)
        assert pieces == said
        with pytest.raises(ProviderError, match=message):
            raise error
        assert not isinstance(error, ProviderUnavailable)
        assert f"{server.url}/chat/completions" in error.message
        assert await ask(llm) == ["Again. "]


@pytest.mark.parametrize(
    ("pieces", "key"),
    [((), "first_token_timeout_s"), (((0, "a"),), "token_timeout_s")],
)
async def test_stalls(pieces: Any, key: str) -> None:
    answer = Answer(pieces=pieces, ending="stall")
    async with open_llm([answer, says("Again.")], **{key: 0.1}) as (llm, server):
        said, error = await ask_and_fail(llm)
        assert len(said) == len(pieces)
        assert "nothing came for 0.1 s" in error.message
        assert error.hint.endswith(f" {key}")
        await server.until(lambda s: s.cancelled == 1)


@pytest.mark.parametrize(
    ("status", "hint"),
    [(401, "api_key"), (403, "api_key"), (404, "model"), (429, "busy"), (500, "log")],
)
async def test_refusals(status: int, hint: str) -> None:
    said = {"error": {"message": f"no: key {KEY}", "code": 7}}
    answer = Answer(status=status, error=said)
    async with open_llm([answer, says("Again.")], api_key=KEY) as (llm, server):
        _, error = await ask_and_fail(llm)
        assert isinstance(error, ProviderUnavailable)
        assert f"{server.url}/chat/completions answered {status}" in error.message
        assert "no: key ***" in error.message
        assert hint in error.hint
        assert KEY not in str(error)
        assert await ask(llm) == ["Again. "]
        assert server.connections == 1


async def test_nobody_there() -> None:
    async with open_sse_server(says("Hi.")) as server:
        url = server.url
    async with PROVIDER.open(Options(base_url=url, model="m")) as llm:
        for call in (llm.check, lambda: ask(llm)):
            with pytest.raises(ProviderUnavailable, match=url) as caught:
                await call()
            assert "base_url" in caught.value.hint


async def test_no_such_host() -> None:
    options = Options(base_url="http://no-such-host.invalid/v1", model="m")
    async with PROVIDER.open(options) as llm:
        with pytest.raises(ProviderUnavailable, match=r"no-such-host\.invalid"):
            await llm.check()


async def test_check_without_a_list_of_models() -> None:
    async with open_llm(says("Hi.")) as (llm, server):
        server.models = None
        await llm.check()
    async with open_llm(says("Hi."), model="") as (llm, server):
        server.models = None
        with pytest.raises(ProviderUnavailable, match="names no model") as caught:
            await llm.check()
        assert "set model" in caught.value.hint


async def test_check_warns_of_an_unlisted_model(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    async with open_llm(says("Hi."), model="mine") as (llm, _):
        await llm.check()
        assert await ask(llm) == ["Hi. "]
    assert "lists no model 'mine', but: test-model" in caplog.text


async def test_a_server_that_accepts_and_says_nothing() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    url = f"http://127.0.0.1:{listeners[0].socket.getsockname()[1]}/v1"
    async with PROVIDER.open(Options(base_url=url, first_token_timeout_s=0.1)) as llm:
        with pytest.raises(ProviderUnavailable, match=r"did not answer in 0\.1 s"):
            await llm.check()
    await listeners[0].aclose()


async def test_proxies_are_not_for_local_servers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with open_llm(says("Hi.")) as (llm, _):
        assert await ask(llm) == ["Hi. "]


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "localhost:8000"},
        {"base_url": "ftp://host/v1"},
        {"base_url": "http://ana:secret@host/v1"},
        {"base_url": "http://ana:secret@"},
        {"base_url": "ftp://ana:secret@host"},
        {"api_key": "two\nlines"},
        {"max_tokens": 0},
        {"temperature": 3.0},
        {"extra": {"a": object()}},
    ],
)
def test_wrong_options(wrong: dict[str, Any]) -> None:
    key, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=key) as caught:
        Options(**wrong)
    if key == "api_key":
        assert value not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_the_key_is_secret() -> None:
    assert attrs.fields(Options).api_key.metadata["secret"] is True
    assert KEY not in repr(Options(api_key=KEY))
