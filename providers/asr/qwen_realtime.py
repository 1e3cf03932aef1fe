"""Qwen3-ASR while somebody speaks: audio goes in, and words come out meanwhile.

An utterance has a session of its own: a second one on the same connection is known to
repeat the first. The next session is opened while this one is spoken into.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import trio

from providers.asr.qwen_session import Session, open_session
from providers.asr.qwen_text import transcript
from trioagent.errors import ProviderError
from trioagent.interfaces import HEARING_RATE_HZ

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from providers.asr.qwen import Options
    from trioagent.interfaces import Pcm

log = logging.getLogger(__name__)


class RealtimeStream:
    """One utterance of one speaker."""

    def __init__(self, recognizer: RealtimeRecognizer, options: Options) -> None:
        self._recognizer = recognizer
        self._options = options
        self._session: Session | None = None
        self._settled = ""
        self._samples = 0
        """That the session has got."""
        self._finished = False

    async def feed(self, pcm: Pcm) -> str:
        """Send audio of any length; return the hypothesis so far, all of it.

        The server works while this goes on: words come with later calls.

        Raises:
            ProviderError: the server failed, or is gone.
        """
        self._check_open()
        await trio.lowlevel.checkpoint()
        while pcm.size:
            room = self._room()
            await self._append(pcm[:room])
            pcm = pcm[room:]
        self._settle()
        return self._text(final=False)

    async def finish(self) -> str:
        """Return the final transcript. Cancelling and errors: as `feed`."""
        self._check_open()
        await trio.lowlevel.checkpoint()
        await self._conclude()
        text = self._text(final=True)
        self.close()
        return text

    def close(self) -> None:
        """Close the connection: the server forgets the utterance."""
        self._finished = True
        if self._session is not None:
            self._session.socket.close()

    async def _append(self, pcm: Pcm) -> None:
        if self._session is None:
            self._session = await self._recognizer.session()
        await self._session.append(pcm)
        self._samples += len(pcm)
        if not self._room():
            await self._conclude()

    async def _conclude(self) -> None:
        if self._session is not None:
            await self._session.conclude(self._options.answer_timeout_s)
            self._settle()

    def _settle(self) -> None:
        """Raise what went wrong; after the server's own end, take another session."""
        session = self._session
        if session is None:
            return
        if session.trouble is not None:
            raise session.trouble
        if session.final:
            self._settled, self._session = self._text(final=True), None
            self._samples = 0

    def _text(self, *, final: bool) -> str:
        text = self._session.text if self._session else ""
        return f"{self._settled} {transcript(text, final=final)}".strip()

    def _room(self) -> int:
        """How many samples the session may still take."""
        return round(self._options.longest_piece_s * HEARING_RATE_HZ) - self._samples

    def _check_open(self) -> None:
        if self._finished:
            raise RuntimeError("this utterance is finished")


class RealtimeRecognizer:
    """A realtime server, with a session opened in advance."""

    def __init__(self, options: Options, first: Session, nursery: trio.Nursery) -> None:
        self._options = options
        self._nursery = nursery
        self._spare: Session | None = self._heard(first)
        self._preparing = False

    async def session(self) -> Session:
        """A session for one utterance: the one in advance, if it still is one."""
        spare, self._spare = self._spare, None
        if spare is None or spare.over:
            spare = self._heard(await open_session(self._options))
        self._nursery.start_soon(self._prepare, name="open a qwen session")
        return spare

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[RealtimeStream]:
        """Open a stream for one utterance."""
        stream = RealtimeStream(self, self._options)
        try:
            yield stream
        finally:
            stream.close()

    def _heard(self, session: Session) -> Session:
        self._nursery.start_soon(self._listen, session, name="listen to a qwen session")
        return session

    async def _listen(self, session: Session) -> None:
        try:
            await session.listen()
        finally:
            session.socket.close()

    async def _prepare(self) -> None:
        if self._preparing or self._spare is not None:
            return
        self._preparing = True
        try:
            self._spare = self._heard(await open_session(self._options))
        except ProviderError as error:
            # The next utterance tries again, and says so if it fails.
            log.debug("%s", error.message)
        finally:
            self._preparing = False
