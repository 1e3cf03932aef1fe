"""Nemotron's streaming models through transformers: torch, without the rest of NeMo.

The options are here; `providers.asr.nemotron_hf_model` runs the model.
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

    from providers.asr.nemotron_hf_model import Nemotron

log = logging.getLogger(__name__)

INSTALL_HINT = "pip install 'trioagent[nemotron-hf]'"


@attrs.frozen(kw_only=True)
class Options:
    """`[asr.nemotron-hf]`."""

    model: str = "nvidia/nemotron-speech-streaming-en-0.6b"
    """A model's name on the Hugging Face hub, or the folder it was saved to."""
    chunk_ms: Literal[80, 160, 560, 1120] = 160
    """What is decoded at a time. Longer chunks make fewer errors, later."""
    device: Device = "auto"
    """"auto" takes the first GPU if torch finds one."""
    dtype: Dtype = "auto"
    """"auto" takes bfloat16 on a GPU, float32 on a processor."""
    language: str = ""
    """For models of many languages: "en-US", "de-DE"; empty lets the model find out."""
    threads: int = attrs.field(default=1, validator=[v.ge(1), v.le(64)])
    """For torch in this process, whoever uses it."""
    offline: bool = False
    """Never ask the hub: the model must be in its cache, or in a folder."""


def unavailable(_options: Options) -> str | None:
    """Why this cannot be used on this machine, or None."""
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            return f"{package} is not installed"
    return None


def _load(options: Options) -> Nemotron:
    from providers.asr.nemotron_hf_load import load  # noqa: PLC0415 - in the thread

    return load(options)


@asynccontextmanager
async def open_nemotron_hf(options: Options) -> AsyncGenerator[Recognizer]:
    """Load the model; leaving waits for the chunk that is being decoded.

    Raises:
        ProviderUnavailable: a package is missing, or the model cannot be loaded.
    """
    from providers.asr.batched import open_batched  # noqa: PLC0415 - with numpy's load

    if (reason := unavailable(options)) is not None:
        raise ProviderUnavailable(f"nemotron-hf: {reason}", hint=INSTALL_HINT)
    began = trio.current_time()
    async with open_batched(partial(_load, options), "nemotron-hf") as recognizer:
        took = trio.current_time() - began
        log.info("nemotron-hf: loaded %s in %.1f s", options.model, took)
        yield recognizer


PROVIDER = Provider[Options, Recognizer](
    options=Options, open=open_nemotron_hf, unavailable=unavailable
)
