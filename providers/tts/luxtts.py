"""LuxTTS: speaks with the voice of a recording, at 48 kHz.

Its package pins what no other model bears, so it runs in an environment of its own:
there `trioagent serve tts --provider luxtts` offers it to the agent.
"""

from __future__ import annotations

import importlib.util
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import attrs
import trio
from attrs import validators as v

from providers.tts.clause_speaker import ClauseSpeaker
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.interfaces import Synthesizer
from trioagent.offload import ThreadOffload
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.tts.luxtts_engine import Engine

_log = logging.getLogger(__name__)

INSTALL_HINT = (
    "install LuxTTS in an environment of its own, from github.com/ysharma3501/LuxTTS"
    " (the `zipvoice` of PyPI is another package), run"
    " `trioagent serve tts --provider luxtts` there, and set provider in [tts] to"
    ' "wyoming"; docs/voices.md has the commands'
)
RATE_HZ = 48_000
_CLOSE_S = 5.0
"""A step of the flow on a CPU takes a second or so."""


@attrs.frozen(kw_only=True)
class Options:
    """`[tts.luxtts]`."""

    reference_wav: str = ""
    """Recording of the voice to clone: one person, 1 to 30 s."""
    reference_s: float = attrs.field(default=5.0, validator=[v.ge(1), v.le(30)])
    """How much of its start is used. More is slower, and not always nearer."""
    model: str = attrs.field(default="YatharthS/LuxTTS", validator=v.min_len(1))
    """Name on the hub or of a pulled model, or a folder; on the CPU LuxTTS takes its
    own in any case."""
    device: Literal["auto", "cuda", "cpu"] = "auto"
    num_steps: int = attrs.field(default=4, validator=[v.ge(1), v.le(32)])
    """Steps of the flow. More is slower and clearer."""
    speed: float = attrs.field(default=1.0, validator=[v.ge(0.3), v.le(3.0)])
    threads: int = attrs.field(default=4, validator=[v.ge(1), v.le(64)])
    """On the CPU."""
    cache_folder: str = ""
    """Where encoded recordings are kept; empty is the user's cache folder."""


def _unavailable(options: Options) -> str | None:
    try:
        found = importlib.util.find_spec("zipvoice.luxvoice")
    except ImportError:
        found = None
    if found is None:
        return "LuxTTS is not installed"
    if not options.reference_wav:
        return "no reference_wav is configured"
    return None


def _load(options: Options) -> Engine:
    from providers.tts.luxtts_engine import Engine  # noqa: PLC0415 - heavy

    return Engine(options)


@asynccontextmanager
async def _open(options: Options) -> AsyncIterator[Synthesizer]:
    """Loads in a thread and speaks a word, so that the first reply finds all warm.

    Raises:
        ProviderUnavailable: not installed, no fit recording, no memory, no such device.
    """
    if (reason := _unavailable(options)) is not None:
        is_missing = "installed" in reason
        hint = INSTALL_HINT if is_missing else "set reference_wav in [tts.luxtts]"
        raise ProviderUnavailable(f"luxtts: {reason}", hint=hint)
    engine = await _loaded(options)
    offload = ThreadOffload()
    try:
        yield ClauseSpeaker(RATE_HZ, engine.speak, offload)
    finally:
        # A thread that is still in the model must not meet a dying interpreter.
        with trio.move_on_after(_CLOSE_S, shield=True):
            await offload.drain()


async def _loaded(options: Options) -> Engine:
    began = trio.current_time()
    try:
        engine = await trio.to_thread.run_sync(_load, options, abandon_on_cancel=True)
    except ProviderUnavailable:
        raise
    except ProviderError as error:
        raise ProviderUnavailable(error.message, hint=error.hint) from error
    took = trio.current_time() - began
    _log.info("luxtts: loaded on %s, in %.1f s", engine.device, took)
    return engine


PROVIDER = Provider[Options, Synthesizer](
    options=Options, open=_open, unavailable=_unavailable
)
