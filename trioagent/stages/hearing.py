"""One utterance on its way through the recognizer.

Packets come in with `hear`, in their ear's step. Two tasks: one follows the timers and
decides when the speaker has paused or finished; the other feeds the recognizer, which
may be slower. Silence has no packets, so the recognizer is given zeros in its place.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np
import trio

from trioagent.config import TurnConfig
from trioagent.decisions.completeness import Completeness, completeness
from trioagent.decisions.endpointing import Endpointer, Speaking
from trioagent.decisions.stable_prefix import StablePrefix
from trioagent.decisions.text import words_of
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, RecognizerStream
from trioagent.journal.events import TurnJournal
from trioagent.stages.stalls import let_packets_in
from trioagent.stages.transcripts import Pause, Prefix, Transcript
from trioagent.turn_clock import TurnClock

if TYPE_CHECKING:
    from trioagent.utterances import HeardAudio, Utterance

# Enough for a streaming recognizer to let go of its last word.
FLUSH_S = 0.3
# What may wait for a recognizer that is slower than real time; then the oldest goes.
MAX_WAITING_S = 30.0
# Shorter ones ("stop it") end at once anyhow.
MIN_SENTENCE = 3


class Claim(Protocol):
    """What a speaker's voice claims while somebody else is answered."""

    def voice(self, speech_s: float, text: str) -> None:
        """A packet of speech came: so much in all, with these words so far."""
        ...

    def words(self, speech_s: float, text: str) -> None:
        """The recognizer knows more."""
        ...

    def pause(self, text: str) -> None:
        """Silence after `text`, and no words are outstanding."""
        ...


@attrs.define(eq=False)
class Hearing:
    """One utterance on its way through the recognizer."""

    config: TurnConfig
    journal: TurnJournal
    claim: Claim
    earlier: str
    """The words of the turn's earlier utterances."""
    clock: TurnClock = attrs.Factory(TurnClock)
    """Told when the last word was."""
    text: str = attrs.field(init=False)
    """All words of the turn so far."""
    _endpointer: Endpointer = attrs.field(init=False)
    _state: Speaking = Speaking.SPEAKING
    """Where the utterance stood when `follow` looked last."""
    _hypothesis: str = ""
    _speech_s: float = 0.0
    _announced: str | None = None
    _flushed: bool = False
    _feeding: bool = False
    _stable: StablePrefix = attrs.field(init=False)
    _prefix: str = ""
    _ended: bool = False
    _deaf: bool = False
    _pending: deque[Pcm] = attrs.Factory(deque)
    _pending_samples: int = 0
    _left: bool = False
    _arrived: trio.lowlevel.ParkingLot = attrs.Factory(trio.lowlevel.ParkingLot)
    """Where the recognizer's task waits for audio: packet after packet, so no event."""
    _wait: trio.CancelScope = attrs.Factory(trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self._endpointer = Endpointer(self.config, trio.current_time())
        self._stable = StablePrefix(self.config.stable_hypotheses)
        self.text = self.earlier.strip()

    def deafen(self) -> None:
        """The recognizer failed: from now on, only the end of the utterance matters."""
        self._deaf = True
        self._drop_pending()

    # --- following packets and timers --------------------------------------------

    def hear(self, audio: HeardAudio) -> None:
        """Take the next packet; wake `follow` only if it changes something."""
        self._endpointer.heard(
            audio.time,
            speech=audio.speech,
            ends_talk=audio.ends_talk,
            late_s=audio.late_s,
        )
        if audio.speech:
            self._speech_s += len(audio.pcm) / HEARING_RATE_HZ
            self.claim.voice(self._speech_s, self.text)
        self._queue(audio.pcm)
        self.journal.peak("packets", len(self._pending))
        if audio.dropped:
            self._count_dropped(audio.dropped)
        now = trio.current_time()
        if self._endpointer.state(now) is not self._state:
            self._look_again()
        elif not self._wait.cancel_called:
            self._wait.deadline = self._endpointer.wake_at(now)

    def left(self) -> None:
        """The speaker left."""
        self._left = True
        self._look_again()

    def _look_again(self) -> None:
        """Let `follow` see what has changed."""
        self._wait.cancel("something changed")

    async def follow(
        self, audio: Utterance, transcripts: trio.MemorySendChannel[Transcript]
    ) -> None:
        """Listen until the utterance has ended; tell of pauses."""
        # Closed at the end, so that the ear notices: what is said while the recognizer
        # still finishes is another utterance.
        with audio:
            audio.show_to(self)
            while not self._ended:
                now = trio.current_time()
                self._state = state = self._endpointer.state(now)
                if state is Speaking.ENDED:
                    self._end(self._endpointer.cause)
                elif self._left:
                    self._end("left")
                elif state is Speaking.SPEAKING:
                    self._announced, self._flushed = None, False
                    await self._next(now)
                elif not await self._pause(transcripts):
                    await self._next(now)

    async def _next(self, now: float) -> None:
        """Wait until something changes, or the silence means something else."""
        # Of the very `now` at which the state was asked for: a moment between that one
        # and this would never come again.
        wake_at = self._endpointer.wake_at(now)
        with trio.CancelScope(deadline=wake_at) as self._wait:
            await trio.sleep_forever()
        await let_packets_in(self._wait.deadline)

    async def _pause(self, transcripts: trio.MemorySendChannel[Transcript]) -> bool:
        """Tell of the pause; True if that took time, in which all may have changed."""
        if self._deaf:
            self.claim.pause(self.text)
            return False
        if not self._flushed:
            self._flushed = True
            self._queue(np.zeros(int(FLUSH_S * HEARING_RATE_HZ), np.int16))
        if not self._pending and not self._feeding:
            self.claim.pause(self.text)
        if self._announced == self.text:
            return False
        self._announced = self.text
        self.journal.record("pause", text=self.text)
        await transcripts.send(Pause(self.text))
        return True

    def _end(self, cause: str) -> None:
        journal = self.journal
        last_speech = journal.since(self._endpointer.last_speech)
        journal.record("speech_ended", cause=cause, last_speech=last_speech)
        self.clock.last_word(self._endpointer.last_speech)
        self._ended = True
        self._arrived.unpark_all()

    # --- feeding the recognizer --------------------------------------------------

    async def recognize(
        self,
        stream: RecognizerStream,
        transcripts: trio.MemorySendChannel[Transcript],
    ) -> None:
        """Feed what arrived, as much at a time as there is; then finish."""
        while not self._ended or self._pending:
            if not self._pending:
                await self._arrived.park()
                continue
            pcm = self._take_pending()
            self._feeding = True
            text = await stream.feed(pcm)
            self._feeding = False
            self._take_hypothesis(text)
            await self._tell_prefix(transcripts)
        self._take_hypothesis(await stream.finish())

    def _queue(self, pcm: Pcm) -> None:
        if self._deaf:
            return
        self._pending.append(pcm)
        self._pending_samples += len(pcm)
        while self._pending_samples > MAX_WAITING_S * HEARING_RATE_HZ:
            self._pending_samples -= len(self._pending.popleft())
            self._count_dropped(1)
        self._arrived.unpark_all()

    def _take_pending(self) -> Pcm:
        pending = self._pending
        pcm = pending[0] if len(pending) == 1 else np.concatenate(list(pending))
        self._drop_pending()
        return pcm

    def _drop_pending(self) -> None:
        self._pending.clear()
        self._pending_samples = 0

    def _count_dropped(self, packets: int) -> None:
        dropped = self.journal.peaks.get("dropped", 0) + packets
        self.journal.peak("dropped", dropped)

    def _take_hypothesis(self, text: str) -> None:
        if text != self._hypothesis:
            self._hypothesis = text
            self.text = f"{self.earlier} {text}".strip()
            self.journal.record("partial", text=self.text)
            self._endpointer.words(text)
            self.claim.words(self._speech_s, self.text)
        elif self._announced is None:
            return
        # What the silence means may have changed.
        self._look_again()

    async def _tell_prefix(
        self, transcripts: trio.MemorySendChannel[Transcript]
    ) -> None:
        """Tell of words on which a reply can be begun while more may come."""
        config = self.config
        if config.early_start != "prefix":
            return
        stable = self._stable.push(self.text)
        if completeness(self.text) is Completeness.FINISHED:
            # A finished sentence is most often the end.
            prefix = self.text if len(words_of(self.text)) >= MIN_SENTENCE else ""
        else:
            grown = len(stable) - len(self._prefix)
            prefix = stable if grown >= config.prefix_min_chars else ""
        if prefix and prefix != self._prefix:
            self._prefix = prefix
            self.journal.record("stable", text=prefix)
            await transcripts.send(Prefix(prefix))
