"""One user turn: a nursery whose cancel scope is the barge-in.

The stages in their order: listening → drafting → playback. `Turn.interrupt` is the
only way to stop a reply, and the outcome is a value.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.conversation import Conversation
from trioagent.decisions.limits import TOO_MANY_TURNS
from trioagent.floor import Claim
from trioagent.interfaces import Speaker
from trioagent.journal.events import TurnJournal
from trioagent.outcome import Answered, Failed, Ignored, Interrupted, Outcome, told
from trioagent.reply import Reply
from trioagent.stages.draft import Draft
from trioagent.stages.drafting import Drafting
from trioagent.stages.listening import Listening
from trioagent.stages.playback import Playback
from trioagent.stages.transcripts import Transcript
from trioagent.turn_clock import TurnClock
from trioagent.utterances import Utterances
from trioagent.worth import Worth

if TYPE_CHECKING:
    from trioagent.utterances import Utterance

TRANSCRIPTS_AHEAD = 4


@attrs.define(eq=False)
class Turn:
    """What somebody says, and the reply to it."""

    speaker: Speaker
    conversation: Conversation
    journal: TurnJournal
    audible: bool = False
    """Whether its reply is being heard now."""
    held: bool = False
    """Whether its reply holds its breath."""
    _said: str = ""
    _unheard: int = 0
    """Utterances that have begun and whose words are not known yet."""
    _ignored: str = ""
    _playing: Draft | None = None
    """What is heard, or is about to be."""
    _played: Draft | None = None
    _over: bool = False
    _interruption: tuple[str, str] | None = None
    _scope: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _stages: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _before_sound: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _utterances: Utterances = attrs.Factory(Utterances)
    _claim: Claim = attrs.field(init=False)
    _worth: Worth = attrs.field(init=False)
    _clock: TurnClock = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        floor, began = self.conversation.floor, self.journal.started
        self._claim = Claim(floor, self, began)
        self._worth = Worth(floor, self._claim, began, floor.speaking)
        self._clock = TurnClock(self.conversation.config.budget_s)

    @property
    def hearable(self) -> bool:
        """Whether what its speaker says now still belongs to it."""
        # Who never stops, such as a radio, begins another turn now and then.
        ends_at = self.journal.started + self.conversation.config.max_turn_s
        too_long = trio.current_time() >= ends_at
        return self._played is None and not self._over and not too_long

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped."""
        return self._interruption is not None

    def hear(self, utterance: Utterance) -> None:
        """Listen to this utterance; a reply that was about to start waits for it.

        If too many wait, it is closed: its ear waits for another onset.
        """
        if not self._utterances.put(utterance):
            return
        if self._said:
            self.journal.record("speech_resumed")
        if not self._unheard:  # else the recognizer still owes earlier words
            self._clock.stop()
        self._unheard += 1
        self._claim.onset = trio.current_time()
        self._before_sound.cancel("the speaker goes on")

    def begin(self, draft: Draft) -> bool:
        """`draft` begins to sound in this very step, if True."""
        # Rule 1, where it counts: nothing may have changed since the commit.
        if draft.discarded or self._unheard:
            return False
        self._played, self.audible = draft, True
        self.conversation.floor.sounds()
        self.journal.record("first_frame", draft=draft.number)
        return True

    def duck(self, *, by: str) -> None:
        """Hold the reply, within a frame; the cursor is kept."""
        if not self.held:
            self.held = True
            self._clock.stop()
            self.journal.record("ducked", by=by)

    def restore(self) -> None:
        """Go on with the reply at the cursor."""
        if self.held:
            self.held = False
            self.journal.record("restored")
            if self._playing is not None:
                self._playing.changed()

    async def sentence_over(self) -> None:
        """Return when the sentence that is being heard is over, or the reply is."""
        await trio.lowlevel.checkpoint()
        if (draft := self._played) is not None:
            buffer, since = draft.buffer, draft.buffer.cursor
            await draft.wait_until(
                lambda: not self.audible or self.held or buffer.sentence_over(since)
            )

    def interrupt(self, reason: str, *, by: str = "") -> None:
        """Stop now. Safe before, during and after `run`, and twice."""
        if not self._over:
            self._over = True
            self._interruption = (reason, by)
            self.journal.record("interrupted", reason=reason, by=by)
            self._scope.cancel(reason)

    async def run(self) -> Outcome:
        """Listen, draft, speak. Cancellation from outside is not an outcome."""
        failure: BaseExceptionGroup[Exception] | None = None
        try:
            with self._scope:
                await self._run_stages()
        except* Exception as group:  # noqa: BLE001 - it ends this turn, not the agent
            failure = group
        finally:
            self._close()
        outcome = self._outcome(failure)
        self.journal.record("outcome", **told(outcome))
        return outcome

    async def _run_stages(self) -> None:
        shared = self.conversation
        listening = Listening(
            shared.recognizer, shared.config, self.journal, self._claim, self._clock
        )
        drafting = Drafting(
            self.speaker.name,
            shared.voice,
            shared.history,
            shared.config,
            self.journal,
            self._on_final,
            lambda text: not self._worth.refusal(text),
            self._clock,
        )
        to_hear = self._utterances.to_hear
        heard_in, heard = trio.open_memory_channel[Transcript](TRANSCRIPTS_AHEAD)
        drafts_in, drafts = trio.open_memory_channel[Draft](0)
        with self._stages:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(listening.run, to_hear, heard_in, name="listening")
                nursery.start_soon(drafting.run, heard, drafts_in, name="drafting")
                nursery.start_soon(self._speak, drafts, name="playback")

    async def _speak(self, committed: trio.MemoryReceiveChannel[Draft]) -> None:
        """Play the committed draft, unless its speaker goes on before it sounds."""
        with committed:
            async for draft in committed:
                if self._unheard:
                    continue
                with trio.CancelScope() as self._before_sound:
                    if await self._play(draft):
                        self._finish()

    async def _play(self, draft: Draft) -> bool:
        """Wait for the floor, play; False if the draft must not be heard."""
        shared = self.conversation
        reply = Reply(self, draft, shared.floor.echo)
        playback = Playback(draft, shared.room, self.journal, reply)
        self._playing = draft
        self.restore()  # an earlier draft's breath was held until its speaker went on
        draft.commit()
        with trio.move_on_after(shared.config.max_wait_s) as waiting:
            async with shared.floor.held_by(self):
                waiting.deadline = math.inf
                self.journal.record("floor_taken")
                try:
                    played = await playback.run()
                finally:
                    self.audible = False
                    draft.changed()
                    if self.interrupted:
                        shared.floor.echo.stopped(trio.current_time())
        if waiting.cancelled_caught:
            self.interrupt("waited too long for the floor")
            return False
        if played:
            self._played = draft
        return played

    def _on_final(self, text: str | None) -> bool:
        """Whether there is something to say; if not, the turn is over."""
        self._unheard -= 1
        self._clock.stop()
        if text is None:
            self._claim.quiet()
            return True
        self._said = text
        self._ignored = self._worth.ignored(text)
        # Who has had too many is not answered, but can still interrupt.
        if self._ignored in ("", TOO_MANY_TURNS):
            self._claim.final(text)
        if self._ignored:
            self._finish()
        return not self._ignored

    def _finish(self) -> None:
        """All is said: end the stages that still run."""
        self._over = True
        self._stages.cancel("the turn is over")

    def _close(self) -> None:
        """Let go of what others may still hold on to."""
        self._over = True
        self._worth.opened_over = None
        self._claim.quiet()
        self._utterances.close()

    def _outcome(self, failure: BaseExceptionGroup[Exception] | None) -> Outcome:
        """How it ended, from what is left behind."""
        played = self._played
        heard = played.buffer.heard() if played is not None else ""
        if failure is not None:
            return Failed(self._said, heard, failure)
        finished = played is not None and played.buffer.drained
        if self._interruption is not None and not finished:
            reason, by = self._interruption
            return Interrupted(self._said, heard, reason, by)
        if self._ignored:
            return Ignored(self._said, self._ignored)
        if played is not None and played.error is not None:
            return Failed(self._said, heard, played.error)
        empty = Ignored(self._said, "empty reply")
        return Answered(self._said, heard) if heard else empty
