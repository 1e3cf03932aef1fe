"""Qwen's two ways, with a server that has vLLM's protocol and the tiny model."""

from __future__ import annotations

from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from tests.contract.asr_contract import Case
from tests.contract.cases_asr_sherpa import samples
from tests.helpers_qwen import opened

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trioagent.interfaces import Recognizer


@asynccontextmanager
async def _open(mode: str, _folder: Path) -> AsyncIterator[Recognizer]:
    async with opened(mode=mode) as (_server, recognizer):
        yield recognizer


CASES = [
    Case("qwen, realtime", partial(_open, "realtime"), samples, partials_lag=True),
    Case(
        "qwen, transcriptions",
        partial(_open, "transcriptions"),
        samples,
        shows_partials=False,
    ),
]
