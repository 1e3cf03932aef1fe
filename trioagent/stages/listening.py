"""Listening: utterances in, transcripts out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.config import TurnConfig
from trioagent.errors import ProviderError, first_error
from trioagent.interfaces import Recognizer
from trioagent.journal.events import TurnJournal
from trioagent.stages.hearing import Claim, Hearing
from trioagent.stages.transcripts import Final, Transcript, Unintelligible
from trioagent.turn_clock import TurnClock

if TYPE_CHECKING:
    from trioagent.utterances import Utterance


@attrs.define(eq=False)
class Listening:
    """The listening of one turn, utterance after utterance.

    A turn has more than one utterance when its speaker goes on before any reply was
    heard; the transcript then covers all of them.
    """

    recognizer: Recognizer
    config: TurnConfig
    journal: TurnJournal
    claim: Claim
    """Told of voice, words and silence: they may take the floor."""
    clock: TurnClock = attrs.Factory(TurnClock)
    _earlier: str = ""

    async def run(
        self,
        utterances: trio.MemoryReceiveChannel[Utterance],
        transcripts: trio.MemorySendChannel[Transcript],
    ) -> None:
        """Listen until cancelled."""
        with transcripts:
            async for utterance in utterances:
                try:
                    with utterance:
                        text = await self._hear_out(utterance, transcripts)
                except* ProviderError as group:
                    error = first_error(group)
                    self.journal.record("provider_failed", error=str(error))
                    await transcripts.send(Unintelligible(error))
                else:
                    self._earlier = text
                    self.journal.record("final", text=text)
                    await transcripts.send(Final(text))

    async def _hear_out(
        self, audio: Utterance, transcripts: trio.MemorySendChannel[Transcript]
    ) -> str:
        """Follow one utterance to its end; return all words of the turn.

        Also if the recognizer fails before: the rest of a sentence is no new utterance.
        """
        hearing = Hearing(
            self.config, self.journal, self.claim, self._earlier, self.clock
        )
        failure: ProviderError | None = None
        with trio.CancelScope() as patience:
            self.clock.bind(patience)
            async with trio.open_nursery() as nursery:
                nursery.start_soon(
                    hearing.follow, audio, transcripts, name="follow audio"
                )
                try:
                    async with self.recognizer.stream() as stream:
                        await hearing.recognize(stream, transcripts)
                except* ProviderError as group:
                    failure = first_error(group)
                    hearing.deafen()
        if patience.cancelled_caught:
            failure = self.clock.used_up()
        if failure is not None:
            raise failure
        return hearing.text
