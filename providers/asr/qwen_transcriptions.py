"""Qwen3-ASR, an utterance at a time: it is sent once it was all said.

While somebody speaks, what was said so far may be transcribed now and then: one request
at a time, each with all of it.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
import trio

from trioagent.errors import ProviderError
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from providers.asr.qwen_http import TranscriptionClient
    from trioagent.interfaces import Pcm

log = logging.getLogger(__name__)

_SHORTEST_S = 0.1
"""Shorter audio holds no word, and some servers fail on it."""
_LONGEST_PARTIAL_S = 30.0
"""The longer it is, the more a partial costs; the end is transcribed all the same."""


class TranscribingStream:
    """One utterance of one speaker."""

    def __init__(self, client: TranscriptionClient, nursery: trio.Nursery) -> None:
        self._client = client
        self._nursery = nursery
        self._settled = ""
        self._audio: list[Pcm] = []
        """What is not settled yet."""
        self._samples = 0
        self._asked_samples = 0
        self._asking: trio.CancelScope | None = None
        self._heard = ""
        self._finished = False

    async def feed(self, pcm: Pcm) -> str:
        """Keep audio of any length; return the newest partial transcript.

        Raises:
            ProviderError: a piece of a long utterance could not be transcribed.
        """
        self._check_open()
        await trio.lowlevel.checkpoint()
        while pcm.size:
            room = self._room()
            self._audio.append(pcm[:room])
            self._samples += len(pcm[:room])
            pcm = pcm[room:]
            if not self._room():
                await self._settle()
            self._ask_if_due()
        return f"{self._settled} {self._heard}".strip()

    async def finish(self) -> str:
        """Send all of it; return its transcript. If cancelled, the request ends.

        Raises:
            ProviderError: no transcript.
        """
        self._check_open()
        await trio.lowlevel.checkpoint()
        self.close()
        await self._settle()
        return self._settled

    def close(self) -> None:
        """End the request for a partial transcript."""
        self._finished = True
        self._stop_asking()

    def _room(self) -> int:
        """How many samples the piece may still take."""
        most_s = self._client.options.longest_piece_s
        return round(most_s * HEARING_RATE_HZ) - self._samples

    async def _settle(self) -> None:
        """Transcribe what is there for good."""
        self._stop_asking()
        if self._samples >= _SHORTEST_S * HEARING_RATE_HZ:
            text = await self._client.transcribe(np.concatenate(self._audio))
            self._settled = f"{self._settled} {text}".strip()
        self._audio.clear()
        self._samples = self._asked_samples = 0
        self._heard = ""

    def _stop_asking(self) -> None:
        if self._asking is not None:
            self._asking.cancel()

    def _ask_if_due(self) -> None:
        interval_s = self._client.options.partial_interval_s
        new_s = (self._samples - self._asked_samples) / HEARING_RATE_HZ
        too_long = self._samples > _LONGEST_PARTIAL_S * HEARING_RATE_HZ
        if not interval_s or new_s < interval_s or self._asking or too_long:
            return
        self._asked_samples = self._samples
        self._asking = trio.CancelScope()
        pcm = np.concatenate(self._audio)
        self._nursery.start_soon(
            self._ask, self._asking, pcm, name="transcribe what was said so far"
        )

    async def _ask(self, scope: trio.CancelScope, pcm: Pcm) -> None:
        with scope:
            try:
                heard = await self._client.transcribe(pcm)
            except ProviderError as error:
                # The end tries again, and says so if it fails.
                log.debug("%s", error.message)
            else:
                if not scope.cancel_called:
                    self._heard = heard
        self._asking = None

    def _check_open(self) -> None:
        if self._finished:
            raise RuntimeError("this utterance is finished")


class TranscribingRecognizer:
    """A server that transcribes what it gets as a whole."""

    def __init__(self, client: TranscriptionClient, nursery: trio.Nursery) -> None:
        self._client = client
        self._nursery = nursery

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[TranscribingStream]:
        """Open a stream for one utterance."""
        stream = TranscribingStream(self._client, self._nursery)
        try:
            yield stream
        finally:
            stream.close()
