"""Drafting: transcripts in, committed drafts out.

A draft is made early, in a pause, and kept for as long as the words stay the same.
It is committed only if the words it was made from equal the final transcript, and the
conversation has not moved on meanwhile; otherwise it is made again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.config import TurnConfig
from trioagent.decisions.history import History
from trioagent.decisions.text import same_words, words_of
from trioagent.journal.events import TurnJournal
from trioagent.stages.draft import Draft
from trioagent.stages.transcripts import (
    Final,
    Pause,
    Prefix,
    Transcript,
    Unintelligible,
)
from trioagent.stages.voice import Voice
from trioagent.turn_clock import TurnClock

if TYPE_CHECKING:
    from trioagent.errors import ProviderError
    from trioagent.interfaces import Message


@attrs.define(eq=False)
class Drafting:
    """The drafting of one turn."""

    speaker: str
    voice: Voice
    history: History
    config: TurnConfig
    journal: TurnJournal
    on_final: Callable[[str | None], bool]
    """Told the final transcript, None if it is lost; False: there is nothing to say."""
    worth: Callable[[str], bool]
    """Whether so many words are worth an early draft."""
    clock: TurnClock = attrs.Factory(TurnClock)
    _draft: Draft | None = None
    _started: int = 0

    async def run(
        self,
        transcripts: trio.MemoryReceiveChannel[Transcript],
        committed: trio.MemorySendChannel[Draft],
    ) -> None:
        """Keep the right draft in the making; pass it on when it is committed."""
        with transcripts, committed:
            async with trio.open_nursery() as drafts:
                async for transcript in transcripts:
                    match transcript:
                        case Prefix(text):
                            # One is kept for the pause, whose words are more often all.
                            self._early(drafts, text, "prefix", keep=1)
                        case Pause(text):
                            self._early(drafts, text, "pause")
                        case Final(text):
                            if self.on_final(text):
                                await committed.send(self._commit(drafts, text))
                        case Unintelligible(error):
                            self.on_final(None)
                            await committed.send(self._apologize(drafts, error))

    def _early(
        self, drafts: trio.Nursery, text: str, cause: str, *, keep: int = 0
    ) -> None:
        early = self.config.early_start != "off"
        if not early or not words_of(text) or self._fits(text):
            return
        if self._started < self.config.max_drafts - keep and self.worth(text):
            self._begin(drafts, text, cause)

    def _commit(self, drafts: trio.Nursery, text: str) -> Draft:
        draft = self._draft
        if draft is None or not self._fits(text) or draft.error is not None:
            draft = self._begin(drafts, text, "final")
        self.journal.record("committed", draft=draft.number)
        return draft

    def _fits(self, text: str) -> bool:
        """Whether the draft is the reply to `text`, as things stand."""
        draft = self._draft
        return (
            draft is not None
            and same_words(draft.text, text)
            and draft.history_version == self.history.version
        )

    def _begin(self, drafts: trio.Nursery, text: str, cause: str) -> Draft:
        prompt = self.history.prompt(self.speaker, text)
        return self._start(drafts, text, prompt, cause)

    def _apologize(self, drafts: trio.Nursery, error: ProviderError) -> Draft:
        draft = self._start(drafts, self.voice.failure_notice, (), "failure")
        draft.error = error
        return draft

    def _start(
        self, drafts: trio.Nursery, text: str, prompt: tuple[Message, ...], cause: str
    ) -> Draft:
        if self._draft is not None:
            self._draft.discard()
            self.journal.record(
                "draft_discarded", draft=self._draft.number, tokens=self._draft.tokens
            )
        self._started += 1
        self._draft = draft = Draft(
            self._started,
            text,
            prompt,
            self.history.version,
            self.voice,
            self.journal,
            self.clock,
        )
        self.journal.record("draft_started", draft=draft.number, cause=cause, text=text)
        drafts.start_soon(draft.prepare, name=f"draft {draft.number}")
        return draft
