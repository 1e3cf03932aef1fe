"""NeMo's live pipeline with random weights: nonsense, but always the same."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from providers.asr import nemo
from tests.contract.asr_contract import Case
from tests.helpers_nemo import options, quiet, samples

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trioagent.interfaces import Recognizer


@asynccontextmanager
async def _open(_folder: Path) -> AsyncIterator[Recognizer]:
    with quiet():
        async with nemo.PROVIDER.open(options(streams=4)) as recognizer:
            yield recognizer


CASES = [Case("nemo, random weights", _open, samples)]
