"""A chain of two models: it keeps the same promises as each of them."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from tests.contract.cases_llm_openai import BREAKS, COUNTS, served, unreachable
from tests.contract.llm_case import Case
from trioagent.chain import FallbackChain, Link

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.e2e.sse_server import Script
    from trioagent.interfaces import LanguageModel


@asynccontextmanager
async def first(script: Script, folder: Path) -> AsyncIterator[LanguageModel]:
    """The first replies."""
    async with served(script) as better, unreachable(folder) as worse:
        yield FallbackChain([Link(better), Link(worse)])


@asynccontextmanager
async def second(script: Script, folder: Path) -> AsyncIterator[LanguageModel]:
    """Nobody is behind the first, so the second replies."""
    async with unreachable(folder) as better, served(script) as worse:
        yield FallbackChain([Link(better), Link(worse)])


@asynccontextmanager
async def neither(folder: Path) -> AsyncIterator[LanguageModel]:
    async with unreachable(folder) as better, unreachable(folder) as worse:
        yield FallbackChain([Link(better), Link(worse)])


CASES = [
    Case(
        "chain, the first",
        lambda folder: first(COUNTS, folder),
        neither,
        lambda folder: first(BREAKS, folder),
    ),
    Case(
        "chain, the second",
        lambda folder: second(COUNTS, folder),
        neither,
        lambda folder: second(BREAKS, folder),
    ),
]
