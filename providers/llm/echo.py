"""A language model that repeats what it hears: for when no other is there."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.interfaces import LanguageModel
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from trioagent.interfaces import Message, Outlet

_ATTRIBUTION = re.compile(r"\A[^:\n]{1,64}: (?=\S)")
_WORD = re.compile(r"\s*\S+\s*")


@attrs.frozen
class Options:
    """`[llm.echo]` has no keys."""


class Echo:
    """Repeats the last user message word by word, without a "name: " before it."""

    name = "echo"

    async def check(self) -> None:
        """Nothing can be wrong."""
        await trio.lowlevel.checkpoint()

    async def reply(self, messages: Sequence[Message], tokens: Outlet[str]) -> None:
        """Send the words; nothing if no user has said anything."""
        await trio.lowlevel.checkpoint()
        heard = next((m.content for m in reversed(messages) if m.role == "user"), "")
        for word in _WORD.findall(_ATTRIBUTION.sub("", heard)):
            await tokens.send(word)


@asynccontextmanager
async def _open(_options: Options) -> AsyncIterator[LanguageModel]:
    yield Echo()


PROVIDER = Provider[Options, LanguageModel](options=Options, open=_open)
