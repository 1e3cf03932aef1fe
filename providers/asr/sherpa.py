"""Streaming recognition by sherpa-onnx: NeMo's Nemotron, icefall's zipformers, CTC.

The model runs in worker threads of this process, or, with `isolate`, in a process of
its own: sherpa-onnx ends the process it runs in on some errors.
"""

from __future__ import annotations

import importlib.util
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from providers.asr.sherpa_engine import Engine, right_pad_ms
from providers.asr.sherpa_isolated import open_isolated
from providers.asr.sherpa_metadata import DOWNLOAD_HINT
from providers.asr.sherpa_options import Options
from providers.asr.sherpa_streams import SherpaRecognizer, SherpaStream, open_here
from trioagent.errors import ProviderUnavailable
from trioagent.models import resolve
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trioagent.interfaces import Recognizer

__all__ = [
    "PROVIDER",
    "Engine",
    "Options",
    "SherpaRecognizer",
    "SherpaStream",
    "right_pad_ms",
]

log = logging.getLogger(__name__)


def unavailable(options: Options) -> str | None:
    """Why sherpa-onnx cannot be used with these options, or None."""
    if importlib.util.find_spec("sherpa_onnx") is None:
        return "sherpa-onnx is not installed"
    if not options.model:
        return "no model is configured"
    return None


@asynccontextmanager
async def open_sherpa(options: Options) -> AsyncGenerator[Recognizer]:
    """Load the model; see `open_here` and `open_isolated`.

    Raises:
        ProviderUnavailable: not installed, no model, or a model that does not fit.
    """
    if (reason := unavailable(options)) is not None:
        hint = f"{DOWNLOAD_HINT} Then set `model` in [asr] to its folder."
        raise ProviderUnavailable(f"sherpa: {reason}", hint=hint)
    options = attrs.evolve(options, model=str(resolve(options.model)))
    began = trio.current_time()
    opened = open_isolated(options) if options.isolate else open_here(options)
    async with opened as recognizer:
        took = trio.current_time() - began
        log.info("sherpa: loaded %s, in %.1f s", recognizer.about, took)
        yield recognizer


PROVIDER: Provider[Options, Recognizer] = Provider(
    options=Options, open=open_sherpa, unavailable=unavailable
)
