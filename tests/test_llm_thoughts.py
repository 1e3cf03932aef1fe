"""Thoughts are never spoken, and a reply of thoughts alone is a failure."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.sse_server import Answer, Piece, says
from tests.test_llm_openai import KEY, ask, ask_and_fail, open_llm


def answer(*pieces: Piece) -> Answer:
    return Answer(pieces=tuple((0.0, piece) for piece in pieces))


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (({"reasoning": "hm"}, {"reasoning_content": "hm"}, "Yes."), "Yes."),
        (("<th", "ink>", "hm <b>", "</thi", "nk>", "Yes."), "Yes."),
        (("<think>hm</think>Yes <think>hm</think>indeed.",), "Yes indeed."),
        (("1 <", " 2"), "1 < 2"),
        (("1 <",), "1 <"),
        ((), ""),
        ((" ",), " "),
    ],
)
async def test_what_is_said(pieces: tuple[Piece, ...], said: str) -> None:
    async with open_llm(answer(*pieces)) as (llm, _):
        assert "".join(await ask(llm)) == said


@pytest.mark.parametrize(
    "pieces",
    [
        ({"reasoning": "hm"},),
        ({"reasoning_content": "hm", "content": ""},),
        ("<think>hm</think>",),
        ("<think>", "hm", "</think>", "\n\n"),
        ("<think>hm, that is lon",),
    ],
)
async def test_thoughts_alone(pieces: tuple[Piece, ...]) -> None:
    async with open_llm([answer(*pieces), says("Again.")]) as (llm, server):
        said, error = await ask_and_fail(llm)
        assert not "".join(said).strip()
        assert "sent thoughts, but not a word to say" in error.message
        assert server.url in error.message
        for key in ("max_tokens", "reasoning_effort", "enable_thinking = false"):
            assert key in error.hint
        assert await ask(llm) == ["Again. "]


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ({"reasoning_effort": "none"}, {"reasoning_effort": "none"}),
        (
            {"chat_template_kwargs": {"enable_thinking": False}},
            {"chat_template_kwargs": {"enable_thinking": False}},
        ),
        ({"stop": ["\n", "User:"]}, {"stop": ["\n", "User:"]}),
        ({"max_completion_tokens": 9}, {"max_completion_tokens": 9}),
        ({"extra": {"reasoning": {"effort": "low"}}}, {"reasoning": {"effort": "low"}}),
    ],
)
async def test_what_is_asked(options: dict[str, Any], sent: dict[str, Any]) -> None:
    async with open_llm(says("Hi."), **options) as (llm, server):
        await ask(llm)
        body = server.requests[0].body
    usual = {"model", "messages", "stream", "stream_options"}
    usual |= {"temperature", "max_tokens"}
    if "max_completion_tokens" in sent:
        usual -= {"max_tokens"}
    assert {key: body[key] for key in body if key not in usual} == sent


async def test_keys_can_be_left_out() -> None:
    omit = ["temperature", "max_tokens", "stream_options"]
    async with open_llm(says("Hi."), omit=omit) as (llm, server):
        assert await ask(llm) == ["Hi. "]
    assert set(server.requests[0].body) == {"model", "messages", "stream"}


async def test_headers_are_sent_and_not_shown() -> None:
    headers = {"X-Title": "trioagent", "api-key": KEY}
    echoes = Answer(status=401, error=f"bad key {KEY}")
    async with open_llm([says("Hi."), echoes], headers=headers) as (llm, server):
        await ask(llm)
        assert server.requests[0].headers["x-title"] == "trioagent"
        assert server.requests[0].headers["api-key"] == KEY
        _, error = await ask_and_fail(llm)
    assert "bad key ***" in error.message
