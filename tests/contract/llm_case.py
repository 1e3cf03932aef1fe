"""A language model to be tested, and what every test of it does."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from itertools import cycle, islice
from pathlib import Path

import attrs
import pytest
import trio

from trioagent.errors import ProviderError
from trioagent.interfaces import LanguageModel, Message

COUNT = "one two three four five six seven eight nine ten eleven twelve".split()
WORDS = list(islice(cycle(COUNT), 60))
"""More than fits the buffers on the way, if each word comes by itself."""
QUESTION = [Message("system", "Count."), Message("user", " ".join(WORDS))]
BEFORE_IT_BREAKS = WORDS[:3]

Opener = Callable[[Path], AbstractAsyncContextManager[LanguageModel]]


@attrs.frozen(eq=False)
class Case:
    """A language model to be tested. The folder is for files of its own.

    Attributes:
        name: Of the provider, and of what is behind it.
        open: Opens one that works.
        unreachable: Opens one with nobody behind it.
        breaks_off: Opens one whose replies end after `BEFORE_IT_BREAKS`.
        missing: Why it cannot be opened here; empty if it can.
    """

    name: str
    open: Opener
    unreachable: Opener | None = None
    breaks_off: Opener | None = None
    missing: Callable[[], str] = lambda: ""

    def __str__(self) -> str:
        return self.name


Requirement = Callable[[LanguageModel], Awaitable[None]]


async def said(model: LanguageModel) -> list[str]:
    """The words of a whole reply."""
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, trio.fail_after(20):
        await model.reply(QUESTION, send)
    return "".join([piece async for piece in receive]).split()


async def fails(model: LanguageModel) -> tuple[list[str], ProviderError]:
    """The words that came before the error, and the error."""
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, pytest.raises(ProviderError) as caught, trio.fail_after(20):
        await model.reply(QUESTION, send)
    return "".join([piece async for piece in receive]).split(), caught.value
