"""NeMo's own live pipeline: cache-aware streaming transducers, Nemotron among them.

The options are here; `providers.asr.nemo_pipeline` runs the pipeline. NeMo comes with
so many packages that it is best run by `trioagent serve asr --provider nemo`, in an
environment of its own.
"""

from __future__ import annotations

import importlib.util
import logging
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Literal

import attrs
import trio
from attrs import validators as v

from providers.torch_device import Device, Dtype
from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import Recognizer
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from providers.asr.nemo_pipeline import Pipeline

log = logging.getLogger(__name__)

INSTALL_HINT = (
    "pip install 'nemo_toolkit[asr]>=3,<4' into an environment of its own, and run"
    " `trioagent serve asr --provider nemo` there"
)


@attrs.frozen(kw_only=True)
class Options:
    """`[asr.nemo]`."""

    model: str = "nvidia/nemotron-speech-streaming-en-0.6b"
    """A cache-aware transducer: a name on the Hugging Face hub, or a .nemo file."""
    chunk_ms: Literal[80, 160, 560, 1120] = 160
    """What is decoded at a time. Longer chunks make fewer errors, later."""
    left_context_frames: int = attrs.field(default=70, validator=[v.ge(1), v.le(1000)])
    """How far the encoder looks back, in frames of 80 ms; as the model was trained."""
    device: Device = "auto"
    """"auto" takes the first GPU if torch finds one."""
    device_id: int = attrs.field(default=0, validator=v.ge(0))
    """Which GPU."""
    dtype: Dtype = "auto"
    """"auto" takes bfloat16 on a GPU, float32 on a processor."""
    language: str = ""
    """For models of many languages: "en-US", "de-DE"; empty is the pipeline's own."""
    streams: int = attrs.field(default=16, validator=[v.ge(1), v.le(256)])
    """How many utterances at a time; each has its memory from the beginning."""
    threads: int = attrs.field(default=1, validator=[v.ge(1), v.le(64)])
    """For torch in this process, whoever uses it."""


def unavailable(_options: Options) -> str | None:
    """Why this cannot be used on this machine, or None."""
    for package, name in (("torch", "torch"), ("nemo", "nemo_toolkit[asr]")):
        if importlib.util.find_spec(package) is None:
            return f"{name} is not installed"
    return None


def _load(options: Options) -> Pipeline:
    from providers.asr.nemo_pipeline import load  # noqa: PLC0415 - in the thread

    return load(options)


@asynccontextmanager
async def open_nemo(options: Options) -> AsyncGenerator[Recognizer]:
    """Load the model; leaving waits for the chunk that is being decoded.

    Raises:
        ProviderUnavailable: NeMo is missing, or the model cannot be loaded.
    """
    from providers.asr.batched import open_batched  # noqa: PLC0415 - as the others

    if (reason := unavailable(options)) is not None:
        raise ProviderUnavailable(f"nemo: {reason}", hint=INSTALL_HINT)
    began = trio.current_time()
    async with open_batched(partial(_load, options), "nemo") as recognizer:
        took = trio.current_time() - began
        log.info("nemo: loaded %s in %.1f s", options.model, took)
        yield recognizer


PROVIDER = Provider[Options, Recognizer](
    options=Options, open=open_nemo, unavailable=unavailable
)
