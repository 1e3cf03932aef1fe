"""Any server that speaks OpenAI's /audio/speech: Kokoro-FastAPI, Speaches, OpenAI.

The options are here; `providers.tts.openai_speech` does the work.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal

import attrs
import trio
from attrs import validators as v

from providers.http_keys import warn_of_readable_key
from providers.http_options import is_base_url, is_json, is_key
from trioagent.interfaces import Synthesizer
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.tts.openai_speech import SpeechClient


@attrs.frozen(kw_only=True)
class Options:
    """`[tts.openai]`: where the server is and what to ask of it."""

    base_url: str = attrs.field(
        default="http://127.0.0.1:8880/v1", validator=is_base_url
    )
    """Up to and without "/audio/speech"."""
    model: str = "tts-1"
    voice: str = "alloy"
    api_key: str = attrs.field(
        default="", validator=is_key, repr=False, metadata={"secret": True}
    )
    response_format: Literal["pcm", "wav"] = "pcm"
    """"pcm" has no header, so `rate_hz` must be right; some servers know only "wav"."""
    rate_hz: int = attrs.field(default=24_000, validator=[v.ge(8_000), v.le(48_000)])
    """Of "pcm"; a WAV with another rate is resampled to this one."""
    speed: float = attrs.field(default=1.0, validator=[v.ge(0.25), v.le(4.0)])
    connect_timeout_s: float = attrs.field(default=2.0, validator=v.gt(0))
    first_audio_timeout_s: float = attrs.field(default=10.0, validator=v.gt(0))
    """From the request to the first audio."""
    audio_timeout_s: float = attrs.field(default=5.0, validator=v.gt(0))
    """Between two pieces of audio."""
    longest_phrase_s: float = attrs.field(default=300.0, validator=v.gt(0))
    """Audio of one phrase; a server that sends more is cut off."""
    extra: dict[str, Any] = attrs.field(factory=dict, validator=is_json)
    """More keys for the body of the request; they win over the ones above."""


def _make_client(options: Options) -> SpeechClient:
    """Takes tens of milliseconds: modules are imported and certificates read."""
    from providers.tts.openai_speech import SpeechClient  # noqa: PLC0415 (see above)

    return SpeechClient(options)


@asynccontextmanager
async def _open(options: Options) -> AsyncIterator[Synthesizer]:
    """Connects to nothing yet: the server may come later."""
    keys = bool(options.api_key)
    warn_of_readable_key(options.base_url, "tts.openai", keys=keys)
    client = await trio.to_thread.run_sync(_make_client, options)
    async with client.closing():
        yield client


PROVIDER = Provider[Options, Synthesizer](options=Options, open=_open)
