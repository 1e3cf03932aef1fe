"""One user turn: a nursery whose cancel scope is the barge-in.

The stages in their order: listening → drafting → playback. `Turn.interrupt` is the
only way to stop a reply, and the outcome is a value.
"""

from __future__ import annotations

import math

import attrs
import trio

from trioagent.conversation import Conversation
from trioagent.decisions.interruption import is_backchannel
from trioagent.decisions.text import words_of
from trioagent.ear import Utterance
from trioagent.floor import Claim, Replying
from trioagent.interfaces import Speaker
from trioagent.journal.events import TurnJournal
from trioagent.outcome import Answered, Failed, Ignored, Interrupted, Outcome, told
from trioagent.stages.draft import Draft
from trioagent.stages.drafting import Drafting
from trioagent.stages.listening import Listening
from trioagent.stages.playback import Playback
from trioagent.stages.transcripts import Transcript

TRANSCRIPTS_AHEAD = 4


@attrs.define(eq=False)
class Turn:
    """What somebody says, and the reply to it."""

    speaker: Speaker
    conversation: Conversation
    journal: TurnJournal
    audible: bool = False
    """Whether its reply is being heard now."""
    _said: str = ""
    _unheard: int = 0
    """Utterances that have begun and whose words are not known yet."""
    _ignored: str = ""
    _played: Draft | None = None
    _held: bool = False
    _over: bool = False
    _interruption: tuple[str, str] | None = None
    _opened_over: Replying | None = None
    _scope: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _stages: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _before_sound: trio.CancelScope = attrs.Factory(trio.CancelScope)
    _utterances: trio.MemorySendChannel[Utterance] = attrs.field(init=False)
    _to_hear: trio.MemoryReceiveChannel[Utterance] = attrs.field(init=False)
    _claim: Claim = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        channel = trio.open_memory_channel[Utterance](math.inf)
        self._utterances, self._to_hear = channel
        floor = self.conversation.floor
        self._opened_over = floor.speaking
        self._claim = Claim(floor, self, self.journal.started)

    @property
    def hearable(self) -> bool:
        """Whether what its speaker says now still belongs to it."""
        return self._played is None and not self._over

    @property
    def interrupted(self) -> bool:
        """Whether it was stopped."""
        return self._interruption is not None

    def hear(self, utterance: Utterance) -> None:
        """Listen to this utterance; a reply that was about to start waits for it."""
        if self._said:
            self.journal.record("speech_resumed")
        self._unheard += 1
        self._claim.onset = trio.current_time()
        self._before_sound.cancel("the speaker goes on")
        self._utterances.send_nowait(utterance)

    @property
    def held(self) -> bool:
        """Whether the reply holds its breath."""
        return self._held

    def begin(self, draft: Draft) -> bool:
        """`draft` begins to sound in this very step, if True."""
        # Rule 1, where it counts: nothing may have changed since the commit.
        if draft.discarded or self._unheard:
            return False
        self._played, self.audible = draft, True
        self.journal.record("first_frame", draft=draft.number)
        return True

    def duck(self, *, by: str) -> None:
        """Hold the reply, within a frame; the cursor is kept."""
        if not self._held:
            self._held = True
            self.journal.record("ducked", by=by)

    def restore(self) -> None:
        """Go on with the reply at the cursor."""
        if self._held:
            self._held = False
            self.journal.record("restored")
            if self._played is not None:
                self._played.changed()

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
            shared.recognizer, shared.config, self.journal, self._claim
        )
        drafting = Drafting(
            self.speaker.name,
            shared.voice,
            shared.history,
            shared.config,
            self.journal,
            self._on_final,
            lambda text: not self._refusal(text),
        )
        with self._stages:
            async with trio.open_nursery() as nursery:
                heard_in, heard = trio.open_memory_channel[Transcript](
                    TRANSCRIPTS_AHEAD
                )
                drafts_in, drafts = trio.open_memory_channel[Draft](0)
                nursery.start_soon(
                    listening.run, self._to_hear, heard_in, name="listening"
                )
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
        reply = _Reply(self, draft)
        playback = Playback(draft, shared.room, self.journal, reply)
        with trio.move_on_after(shared.config.max_wait_s) as waiting:
            async with shared.floor.held_by(self):
                waiting.deadline = math.inf
                self.journal.record("floor_taken")
                try:
                    played = await playback.run()
                finally:
                    self.audible = False
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
        if text is None:
            self._claim.quiet()
            return True
        self._said = text
        over = self._opened_over
        if not words_of(text):
            self._ignored = "no words"
        elif self._claim.is_echo(text):
            self._ignored = "echo"
        elif over is not None and not over.interrupted:
            backchannels = self.conversation.floor.barge_in.config.backchannels
            if is_backchannel(text, backchannels):
                self._ignored = "backchannel"
        self._ignored = self._ignored or self._refusal(text)
        if self._ignored:
            self._finish()
        else:
            self._claim.final(text)
        return not self._ignored

    def _refusal(self, text: str) -> str:
        company = self.conversation.floor.company
        return company.refusal(self.speaker, text, self.journal.started)

    def _finish(self) -> None:
        """All is said: end the stages that still run."""
        self._over = True
        self._stages.cancel("the turn is over")

    def _close(self) -> None:
        """Let go of what others may still hold on to."""
        self._over = True
        self._opened_over = None
        self._claim.quiet()
        self._utterances.close()
        # An utterance that nobody took: its ear must know that nobody listens.
        while True:
            try:
                self._to_hear.receive_nowait().close()
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        self._to_hear.close()

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
        if not heard:
            return Ignored(self._said, "empty reply")
        return Answered(self._said, heard)


@attrs.frozen(eq=False)
class _Reply:
    """A turn's word on one draft, for its playback."""

    turn: Turn
    draft: Draft

    @property
    def held(self) -> bool:
        return self.turn.held

    def begin(self) -> bool:
        return self.turn.begin(self.draft)

    def sounding(self, phrase: str) -> None:
        echo = self.turn.conversation.floor.echo
        echo.spoke(phrase, trio.current_time())
