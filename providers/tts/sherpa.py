"""Speech from sherpa-onnx: Piper, Kokoro, Matcha, Kitten, ZipVoice, Pocket.

The options are here; `sherpa_folder` examines the model, `sherpa_engine` runs it.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import subprocess
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs
import trio
from attrs import validators as v

from providers.tts.clause_speaker import ClauseSpeaker
from providers.tts.sherpa_folder import DOWNLOAD_HINT, unusable
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import Synthesizer
from trioagent.models import resolve
from trioagent.offload import ThreadOffload
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.tts.sherpa_engine import Engine

_log = logging.getLogger(__name__)

_CLOSE_S = 2.0
_SHOWN_CHARS = 300
_RAISED = 1
"""Python's own exit status after an exception."""


@attrs.frozen(kw_only=True)
class Options:
    """`[tts.sherpa]`."""

    model: str = ""
    """Folder of the voice, as sherpa-onnx publishes it; its files tell its kind."""
    voice: str = ""
    """Name or number of the speaker, where the model has several; empty: the first."""
    language: str = ""
    """As espeak-ng names it, for a model that takes phonemes; empty: the model's."""
    speed: float = attrs.field(default=1.0, validator=[v.ge(0.3), v.le(3.0)])
    threads: int = attrs.field(default=2, validator=[v.ge(1), v.le(64)])
    provider: Literal["cpu", "cuda"] = "cpu"
    """Where it computes. "cuda" needs a sherpa-onnx built for it."""
    reference_wav: str = ""
    """Recording of the voice to clone: ZipVoice and Pocket."""
    reference_text: str = ""
    """What is said in it: ZipVoice."""
    num_steps: int = attrs.field(default=4, validator=[v.ge(1), v.le(64)])
    """Steps of the flow: ZipVoice and Pocket. More is slower and clearer."""
    probe: bool = True
    """Load the model in a child process first: one that sherpa-onnx cannot bear then
    ends that, and not the agent. Loading takes twice as long."""


def _unavailable(options: Options) -> str | None:
    if importlib.util.find_spec("sherpa_onnx") is None:
        return "sherpa-onnx is not installed"
    if not options.model:
        return "no model is configured"
    return None


def _load(options: Options) -> Engine:
    from providers.tts.sherpa_engine import Engine  # noqa: PLC0415 - heavy

    return Engine(options)


@asynccontextmanager
async def _open(options: Options) -> AsyncIterator[Synthesizer]:
    """Loads in a thread. Leaving waits a little for a clause that is still being made.

    Raises:
        ProviderUnavailable: not installed, no model, or one that does not fit.
    """
    if (reason := _unavailable(options)) is not None:
        hint = f"{DOWNLOAD_HINT} Then set `model` in [tts.sherpa] to its folder."
        raise ProviderUnavailable(f"sherpa: {reason}", hint=hint)
    options = attrs.evolve(options, model=str(resolve(options.model)))
    engine = await _loaded(options)
    offload = ThreadOffload()
    try:
        yield ClauseSpeaker(engine.rate_hz, engine.speak, offload)
    finally:
        # A thread that is still in the model must not meet a dying interpreter.
        with trio.move_on_after(_CLOSE_S, shield=True):
            await offload.drain()


async def _loaded(options: Options) -> Engine:
    began = trio.current_time()
    try:
        if options.probe:
            await _probe(options)
        # A large model takes seconds; who leaves meanwhile does not wait for it.
        engine = await trio.to_thread.run_sync(_load, options, abandon_on_cancel=True)
    except ProviderUnavailable:
        raise
    except ProviderError as error:
        raise ProviderUnavailable(error.message, hint=DOWNLOAD_HINT) from error
    except Exception as error:  # onnxruntime's errors arrive as various classes
        message = f"sherpa: the model in {options.model} cannot be loaded: {error}"
        raise ProviderUnavailable(message, hint=DOWNLOAD_HINT) from error
    took = trio.current_time() - began
    name = f"{options.model}: {engine.voice.kind}, {engine.rate_hz} Hz"
    _log.info("sherpa: loaded %s, in %.1f s", name, took)
    return engine


async def _probe(options: Options) -> None:
    """Load the model and speak a word in a child process; see whether it survives."""
    settings = json.dumps(attrs.asdict(options))
    command = [sys.executable, "-m", "providers.tts.sherpa_probe", settings]
    done = await trio.run_process(
        command, check=False, capture_stdout=True, stderr=subprocess.STDOUT
    )
    # What it could raise, we raise when we load the model ourselves.
    if done.returncode not in (0, _RAISED):
        said = done.stdout.decode(errors="replace").strip()[-_SHOWN_CHARS:]
        reason = f"sherpa-onnx ends with status {done.returncode}: {said}"
        raise unusable(Path(options.model), reason)


PROVIDER = Provider[Options, Synthesizer](
    options=Options, open=_open, unavailable=_unavailable
)
