"""Wyoming's client: with our own server, and with the real wyoming-faster-whisper."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from providers.asr import wyoming
from tests.contract.asr_contract import Case
from tests.contract.cases_asr_sherpa import samples
from tests.contract.faster_whisper import the_server
from tests.helpers_wyoming import served_recognizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trioagent.interfaces import Recognizer


@asynccontextmanager
async def _ours(folder: Path) -> AsyncIterator[Recognizer]:
    uri = f"unix://{folder}/asr"
    async with (
        served_recognizer(uri),
        wyoming.PROVIDER.open(wyoming.Options(uris=(uri,))) as recognizer,
    ):
        yield recognizer


@asynccontextmanager
async def _faster_whisper(_folder: Path) -> AsyncIterator[Recognizer]:
    options = wyoming.Options(uris=(the_server(),))
    async with wyoming.PROVIDER.open(options) as recognizer:
        yield recognizer


CASES = [
    Case("wyoming, trioagent serve", _ours, samples),
    Case(
        "wyoming, wyoming-faster-whisper",
        _faster_whisper,
        samples,
        shows_partials=False,
    ),
]
