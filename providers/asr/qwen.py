"""Qwen3-ASR, served by vLLM: streamed over a WebSocket, or sent once it was all said.

The options are here, and the choice between the two ways; `qwen_realtime` and
`qwen_transcriptions` go them.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Literal

import attrs
import trio
from attrs import validators as v

from providers.http_keys import warn_of_readable_key
from providers.http_options import is_base_url, is_key
from trioagent.interfaces import Recognizer
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from providers.asr.qwen_http import TranscriptionClient
    from providers.asr.qwen_session import Session

log = logging.getLogger(__name__)


@attrs.frozen(kw_only=True)
class Options:
    """`[asr.qwen]`: where the server is and what to ask of it."""

    base_url: str = attrs.field(
        default="http://127.0.0.1:8000/v1", validator=is_base_url
    )
    """Up to and without "/realtime" and "/audio/transcriptions"."""
    model: str = "Qwen/Qwen3-ASR-1.7B"
    """As the server calls it."""
    mode: Literal["auto", "realtime", "transcriptions"] = "auto"
    """"auto" streams if the server can, and sends whole utterances if not."""
    language: str = ""
    """What is spoken: "en". Empty lets the model find out."""
    prompt: str = ""
    """What the model shall know: names, terms. vLLM's "realtime" does not read it."""
    api_key: str = attrs.field(
        default="", validator=is_key, repr=False, metadata={"secret": True}
    )
    partial_interval_s: float = attrs.field(default=0.0, validator=[v.ge(0), v.le(60)])
    """With "transcriptions": transcribe what was said so far, all of it, this often
    while somebody speaks. 0 waits for the end, which costs the server least."""
    connect_timeout_s: float = attrs.field(default=2.0, validator=[v.gt(0), v.le(60)])
    answer_timeout_s: float = attrs.field(default=8.0, validator=[v.gt(0), v.le(300)])
    """From the end of the utterance to its transcript."""
    longest_piece_s: float = attrs.field(default=60.0, validator=[v.ge(1), v.le(3600)])
    """An utterance that is longer is transcribed in pieces: the model reads all of a
    piece again and again."""


def _make_client(options: Options) -> TranscriptionClient:
    """Takes tens of milliseconds: modules are imported and certificates read."""
    from providers.asr.qwen_http import TranscriptionClient  # noqa: PLC0415 (see above)

    return TranscriptionClient(options)


@asynccontextmanager
async def open_qwen(options: Options) -> AsyncGenerator[Recognizer]:
    """Reach the server, and see that it has the model.

    Raises:
        ProviderUnavailable: no server, not its model, or it cannot do what `mode` asks.
    """
    keys = bool(options.api_key)
    warn_of_readable_key(options.base_url, "asr.qwen", keys=keys)
    client = await trio.to_thread.run_sync(_make_client, options)
    async with client.closing():
        await client.check()
        session = await _session(options)
        async with trio.open_nursery() as nursery:
            yield _recognizer(client, session, nursery)
            nursery.cancel_scope.cancel("closing the recognizer")


async def _session(options: Options) -> Session | None:
    """The session for the first utterance; None if utterances are sent as a whole."""
    if options.mode == "transcriptions":
        return None
    from providers.asr.qwen_session import (  # noqa: PLC0415 - with all of wsproto
        NoRealtime,
        open_session,
    )

    try:
        return await open_session(options)
    except NoRealtime as error:
        if options.mode == "realtime":
            raise
        log.info("qwen: utterances are sent as a whole, as %s", error.message)
        return None


def _recognizer(
    client: TranscriptionClient, session: Session | None, nursery: trio.Nursery
) -> Recognizer:
    if session is None:
        from providers.asr.qwen_transcriptions import (  # noqa: PLC0415 - as above
            TranscribingRecognizer,
        )

        return TranscribingRecognizer(client, nursery)
    from providers.asr.qwen_realtime import RealtimeRecognizer  # noqa: PLC0415

    return RealtimeRecognizer(client.options, session, nursery)


PROVIDER = Provider[Options, Recognizer](options=Options, open=open_qwen)
