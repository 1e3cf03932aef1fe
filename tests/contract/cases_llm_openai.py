"""The openai provider: with a server of ours, and with llama.cpp's."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from providers.llm.openai import PROVIDER, Options
from tests.contract.llama_cpp import missing, the_server
from tests.contract.llm_case import BEFORE_IT_BREAKS, WORDS, Case
from tests.e2e.sse_server import Answer, Script, open_sse_server, says

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from trioagent.interfaces import LanguageModel

COUNTS = says(" ".join(WORDS), first_s=0.001)
BREAKS = Answer(
    pieces=tuple((0.0, f"{word} ") for word in BEFORE_IT_BREAKS), ending="cut"
)


def client(base_url: str, **options: Any) -> AbstractAsyncContextManager[LanguageModel]:
    chosen = {"max_tokens": len(WORDS), "retry_budget_s": 0.3, **options}
    return PROVIDER.open(Options(base_url=base_url, **chosen))


@asynccontextmanager
async def served(script: Script) -> AsyncIterator[LanguageModel]:
    async with open_sse_server(script) as server, client(server.url) as model:
        yield model


@asynccontextmanager
async def unreachable(_folder: Path) -> AsyncIterator[LanguageModel]:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    async with client(f"http://127.0.0.1:{port}/v1") as model:
        yield model


def llama_cpp(_folder: Path) -> AbstractAsyncContextManager[LanguageModel]:
    return client(the_server().url)


CASES = [
    Case(
        "openai, a server of ours",
        lambda _folder: served(COUNTS),
        unreachable,
        lambda _folder: served(BREAKS),
    ),
    Case("openai, llama.cpp", llama_cpp, missing=missing),
]
