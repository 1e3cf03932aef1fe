"""LuxTTS: our code, with a stand-in of the package's structure for the package."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from importlib import import_module, invalidate_caches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile

from providers.tts.clause_speaker import ClauseSpeaker
from providers.tts.luxtts import PROVIDER, Options
from tests.contract.tts_contract import Case

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from trioagent.interfaces import Synthesizer

STAND_INS = Path(__file__).parent / "stand_ins"
STEP_S = 0.03


@contextmanager
def stand_in(**behaviour: Any) -> Iterator[Any]:
    """The stand-in can be imported as `zipvoice`; gives what it does and was asked."""
    sys.path.insert(0, str(STAND_INS))
    invalidate_caches()
    try:
        module = import_module("zipvoice.luxvoice")
        module.behaviour = module.Behaviour(**behaviour)
        yield module.behaviour
    finally:
        sys.path.remove(str(STAND_INS))
        for name in [n for n in sys.modules if n.partition(".")[0] == "zipvoice"]:
            del sys.modules[name]


def write_reference(
    folder: Path, *, seconds: float = 3.0, level: float = 0.2, rate_hz: int = 24_000
) -> Path:
    """A recording of a hum."""
    folder.mkdir(parents=True, exist_ok=True)
    time_s = np.arange(round(seconds * rate_hz)) / rate_hz
    path = folder / "voice.wav"
    soundfile.write(path, level * np.sin(2 * np.pi * 150 * time_s), rate_hz)
    return path


def options(folder: Path) -> Options:
    return Options(
        reference_wav=str(write_reference(folder)), cache_folder=str(folder / "cache")
    )


@asynccontextmanager
async def open_luxtts(
    behaviour: dict[str, Any], folder: Path
) -> AsyncIterator[Synthesizer]:
    with stand_in(**behaviour):
        async with PROVIDER.open(options(folder)) as tts:
            yield tts


@asynccontextmanager
async def open_unusable(folder: Path) -> AsyncIterator[Synthesizer]:
    with stand_in():
        silent = write_reference(folder, level=0)
        async with PROVIDER.open(Options(reference_wav=str(silent))) as tts:
            yield tts


def is_idle(tts: Synthesizer) -> bool:
    assert isinstance(tts, ClauseSpeaker)
    return not tts._offload.busy


def case(name: str, *, module: bool) -> Case:
    error = RuntimeError("the matrix is singular")
    return Case(
        name=name,
        open=partial(open_luxtts, {"module": module}),
        open_slow=partial(open_luxtts, {"module": module, "step_s": STEP_S}),
        open_failing=partial(open_luxtts, {"module": module, "step_error": error}),
        open_unusable=open_unusable,
        is_idle=is_idle,
        # One step of several.
        frees_within_s=2,
        ahead_bytes=3_000_000,
    )


CASES = [
    case("luxtts-onnx-stand-in", module=False),
    case("luxtts-torch-stand-in", module=True),
]
