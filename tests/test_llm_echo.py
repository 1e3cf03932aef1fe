from __future__ import annotations

import math

import pytest
import trio

from providers.llm.echo import PROVIDER, Options
from trioagent.interfaces import Message


@pytest.mark.parametrize(
    ("heard", "repeated"),
    [
        ("what time is it?", ["what ", "time ", "is ", "it?"]),
        ("Ana: good morning", ["good ", "morning"]),
        ("Ana B.: at 12:30 sharp: now", ["at ", "12:30 ", "sharp: ", "now"]),
        ("12:30 it is", ["12:30 ", "it ", "is"]),
        ("", []),
    ],
)
async def test_it_repeats_the_last_user(heard: str, repeated: list[str]) -> None:
    messages = [
        Message("system", "be brief"),
        Message("user", "older"),
        Message("assistant", "older"),
        Message("user", heard),
    ]
    send, receive = trio.open_memory_channel[str](math.inf)
    async with PROVIDER.open(Options()) as echo:
        await echo.check()
        with send:
            await echo.reply(messages, send)
    assert [piece async for piece in receive] == repeated


async def test_nobody_has_spoken() -> None:
    send, receive = trio.open_memory_channel[str](math.inf)
    async with PROVIDER.open(Options()) as echo:
        with send:
            await echo.reply([Message("system", "be brief")], send)
    assert [piece async for piece in receive] == []
