"""What a reply cost."""

from __future__ import annotations

import json
import logging
import math
from typing import TYPE_CHECKING

import pytest
import trio

from tests.e2e.sse_server import Answer, says
from tests.test_llm_openai import HELLO, ask, ask_and_fail, open_llm
from trioagent.interfaces import Usage

if TYPE_CHECKING:
    from trioagent.interfaces import LanguageModel

COUNTS = {
    "prompt_tokens": 20,
    "completion_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 16},
    "completion_tokens_details": {"reasoning_tokens": 2},
}
USAGE = Usage(20, 16, 7, 2)


def event(choices: object, usage: object) -> bytes:
    return f"data: {json.dumps({'choices': choices, 'usage': usage})}\n\n".encode()


async def usage_of(llm: LanguageModel) -> Usage | None:
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, receive:
        usage = await llm.reply(HELLO, send)
        assert receive.receive_nowait().strip() == "Hi."
        return usage


LAST = {"index": 0, "delta": {}, "finish_reason": "stop"}


@pytest.mark.parametrize(
    "tail",
    [
        event([LAST], None) + event([], COUNTS) + b"data: [DONE]\n\n",
        event([LAST], None) + event([{"delta": {}}], COUNTS),
        event([LAST], COUNTS),
        event([{"delta": {"content": ""}}], COUNTS) + event([LAST], None),
    ],
    ids=["by itself", "with an empty delta", "with the last", "before the last"],
)
async def test_counts(tail: bytes, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    answer = Answer(pieces=((0, "Hi."), (0, tail)), ending="none")
    async with open_llm(answer) as (llm, _):
        assert await usage_of(llm) == USAGE
        assert llm.name in caplog.text
        assert "cached_tokens=16" in caplog.text


async def test_a_server_that_does_not_count() -> None:
    async with open_llm(says("Hi.")) as (llm, _):
        assert await usage_of(llm) is None


async def test_counting_can_be_turned_off() -> None:
    async with open_llm(says("Hi."), usage=False) as (llm, server):
        await ask(llm)
    assert "stream_options" not in server.requests[0].body


@pytest.mark.parametrize("status", [400, 422])
async def test_a_server_that_refuses_to_count_is_not_asked_again(status: int) -> None:
    no = Answer(status=status, error={"error": "unknown field: stream_options"})
    async with open_llm([no, says("Hi.")], retry_budget_s=0.0) as (llm, server):
        for _ in range(3):
            assert await ask(llm) == ["Hi. "]
    asked = ["stream_options" in request.body for request in server.requests]
    assert asked == [True, False, False, False]


async def test_a_bad_request_is_not_blamed_on_counting() -> None:
    too_long = Answer(status=400, error={"error": "too long"})
    async with open_llm([too_long, too_long, says("Hi.")]) as (llm, server):
        _, error = await ask_and_fail(llm)
        assert "too long" in error.message
        await ask(llm)
        server.script = too_long
        await ask_and_fail(llm)
    asked = ["stream_options" in request.body for request in server.requests]
    assert asked == [True, False, True, True]


@pytest.mark.parametrize("usage", [7, [], {"prompt_tokens": "many"}, {}])
async def test_counts_that_are_none(usage: object) -> None:
    tail = event([LAST], usage)
    async with open_llm(Answer(pieces=((0, "Hi."), (0, tail)))) as (llm, _):
        assert await usage_of(llm) in (None, Usage())
