"""sherpa-onnx: the real one, with models of a few kB that are written here."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

from providers.tts.clause_speaker import ClauseSpeaker
from providers.tts.sherpa import PROVIDER, Options
from tests.contract.tiny_voice import write_kitten, write_vits
from tests.contract.tts_contract import Case

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from trioagent.interfaces import Synthesizer

    Write = Callable[..., Path]

SLOW_MATRIX = 1_400
"""Takes some 100 ms on one core."""


def options(folder: Path) -> Options:
    # What the probe is for has a test of its own; here it would only take time.
    return Options(model=str(folder), threads=1, probe=False)


def open_tiny(
    write: Write, folder: Path, slow: int = 1
) -> AbstractAsyncContextManager[Synthesizer]:
    return PROVIDER.open(options(write(folder / "voice", slow=slow)))


@asynccontextmanager
async def open_failing(write: Write, folder: Path) -> AsyncIterator[Synthesizer]:
    """A model that onnxruntime refuses to run on anything but its first word."""
    voice = write(folder / "failing", fails=True)
    async with PROVIDER.open(options(voice)) as tts:
        yield tts


def open_unusable(folder: Path) -> AbstractAsyncContextManager[Synthesizer]:
    voice = write_vits(folder / "broken")
    model = voice / "tiny.onnx"
    model.write_bytes(model.read_bytes()[:-100])
    return PROVIDER.open(options(voice))


def is_idle(tts: Synthesizer) -> bool:
    assert isinstance(tts, ClauseSpeaker)
    return not tts._offload.busy


def case(name: str, write: Write) -> Case:
    return Case(
        name=name,
        open=partial(open_tiny, write),
        open_slow=partial(open_tiny, write, slow=SLOW_MATRIX),
        open_failing=partial(open_failing, write),
        open_unusable=open_unusable,
        is_idle=is_idle,
        # One clause, of the slow model.
        frees_within_s=3,
        ahead_bytes=2_000_000,
    )


CASES = [case("sherpa-vits", write_vits), case("sherpa-kitten", write_kitten)]
