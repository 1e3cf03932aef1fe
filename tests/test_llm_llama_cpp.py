"""The client against llama.cpp's own server, with a tiny model that counts."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import trio

from providers.llm.chat_client import ChatClient
from providers.llm.openai import PROVIDER, Options
from tests.contract import llama_cpp
from trioagent.decisions.history import Exchange, History
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import Message, Usage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

HELLO = [Message("user", "Hello?")]


@pytest.fixture(autouse=True)
def there_is_llama_cpp() -> None:
    if reason := llama_cpp.missing():
        pytest.skip(reason)


@asynccontextmanager
async def counting(**options: Any) -> AsyncIterator[ChatClient]:
    chosen = {"base_url": llama_cpp.the_server().url, "max_tokens": 4, **options}
    async with PROVIDER.open(Options(**chosen)) as model:
        assert isinstance(model, ChatClient)
        yield model


async def ask(model: ChatClient, messages: Sequence[Message] = HELLO) -> str:
    said, _ = await ask_and_count(model, messages)
    return said


async def ask_and_count(
    model: ChatClient, messages: Sequence[Message] = HELLO
) -> tuple[str, Usage]:
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, trio.fail_after(20):
        usage = await model.reply(messages, send)
    assert usage is not None
    return "".join([piece async for piece in receive]), usage


async def test_a_reply_and_its_counts() -> None:
    async with counting() as model:
        said, usage = await ask_and_count(model)
        assert said == " one two three four"
        assert model.name.startswith("counting at http://127.0.0.1:")
        assert usage.completion_tokens == 4
        assert usage.prompt_tokens > 10


async def test_options_are_understood() -> None:
    async with counting(
        max_tokens=50,
        stop=["seven"],
        reasoning_effort="none",
        chat_template_kwargs={"enable_thinking": False},
        extra={"cache_prompt": False},
    ) as model:
        assert await ask(model) == " one two three four five six "


async def test_a_conversation_is_read_from_the_prefix_cache() -> None:
    """Of two speakers, the second of whom joins later: only the new is computed."""
    history = History("You are a voice assistant. " * 20, 100, 100_000)
    async with counting(extra={"id_slot": 3}) as model:
        prompts, cached = [], []
        for number in range(6):
            speaker = "Ben" if number in (2, 3) else "Ana"
            said = f"this is question number {number}"
            prompt = history.prompt(speaker, said)
            heard, usage = await ask_and_count(model, prompt)
            history.add(Exchange(speaker, said, heard.strip()))
            prompts.append(usage.prompt_tokens)
            cached.append(usage.cached_tokens)
    end_of_prompt = len("\nassistant:") + 2
    for before, known in zip(prompts, cached[1:], strict=False):
        assert known >= before - end_of_prompt
    assert prompts == sorted(prompts)


async def test_a_path_that_it_does_not_have() -> None:
    url = llama_cpp.the_server().url.replace("/v1", "/v7")
    async with counting(base_url=url, model="counting") as model:
        await model.check()
        with pytest.raises(ProviderUnavailable, match="answered 404") as caught:
            await ask(model)
        assert "base_url" in caught.value.hint


async def test_a_prompt_that_is_too_long() -> None:
    async with counting() as model:
        with pytest.raises(ProviderError, match=r"answered 400.*context") as caught:
            await ask(model, [Message("user", "word " * 4000)])
        assert "extra in [llm.openai]" in caught.value.hint
        assert await ask(model) == " one two three four"


async def test_killed_in_the_middle() -> None:
    server = llama_cpp.start()
    async with counting(base_url=server.url, max_tokens=3000) as model:
        send, receive = trio.open_memory_channel[str](0)
        failure: ProviderError | None = None

        async def reply() -> None:
            nonlocal failure
            with send, pytest.raises(ProviderError) as caught:
                await model.reply(HELLO, send)
            failure = caught.value

        pieces = []
        async with trio.open_nursery() as nursery:
            nursery.start_soon(reply)
            pieces += [await receive.receive(), await receive.receive()]
            server.kill()
            pieces += [piece async for piece in receive]
        assert pieces[:2] == [" one", " two"]
        assert failure is not None
        assert server.url in failure.message
        with pytest.raises(ProviderUnavailable, match="no connection"):
            await ask(model)
