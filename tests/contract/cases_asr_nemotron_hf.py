"""transformers' streaming Nemotron with random weights: what it says is nonsense.

But it is the same nonsense for the same audio, so what it must say is known: what
transformers' own loop makes of it.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from providers.asr import nemotron_hf
from tests.contract.asr_contract import Case
from tests.helpers_nemotron_hf import samples, the_model

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trioagent.interfaces import Recognizer


@asynccontextmanager
async def _open(_folder: Path) -> AsyncIterator[Recognizer]:
    options = nemotron_hf.Options(model=str(the_model()), device="cpu")
    async with nemotron_hf.PROVIDER.open(options) as recognizer:
        yield recognizer


CASES = [Case("nemotron-hf, random weights", _open, samples)]
