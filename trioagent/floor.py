"""Who may speak: one reply at a time, in the order in which they were ready."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

import attrs
import trio

from trioagent.decisions.company import Company
from trioagent.decisions.echo import EchoJudge
from trioagent.decisions.interruption import BargeIn, is_backchannel
from trioagent.decisions.text import words_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Speaker


class Replying(Protocol):
    """A turn, as the floor sees it."""

    @property
    def speaker(self) -> Speaker:
        """Whom it answers."""
        ...

    @property
    def audible(self) -> bool:
        """Whether its reply is being heard now."""
        ...

    @property
    def interrupted(self) -> bool:
        """Whether its reply was stopped."""
        ...

    def duck(self, *, by: str) -> None:
        """Hold your breath: somebody begins to speak."""
        ...

    def restore(self) -> None:
        """Go on where you stopped: it was nothing."""
        ...

    def interrupt(self, reason: str, *, by: str = "") -> None:
        """Stop now."""
        ...

    async def sentence_over(self) -> None:
        """Return when the sentence that is being heard is over, or the reply is."""
        ...


@attrs.define(eq=False)
class Floor:
    """One room's floor, and what takes it away.

    Attributes:
        echo: Knows what was said lately, to tell its echo from a person.
        echoing: Those whose loudspeakers are known to feed our voice back.
    """

    barge_in: BargeIn
    echo: EchoJudge
    company: Company
    holder: Replying | None = None
    taken_at: float = -math.inf
    """When the holder took it."""
    closed: bool = False
    """Whether nobody takes it any more."""
    echoing: set[int] = attrs.Factory(set)
    _claims: set[Claim] = attrs.Factory(set)
    _queue: trio.StrictFIFOLock = attrs.Factory(trio.StrictFIFOLock)

    @asynccontextmanager
    async def held_by(self, turn: Replying) -> AsyncIterator[None]:
        """Wait for the floor; leaving the block hands it to the next turn."""
        async with self._queue:
            if self.closed:
                await trio.sleep_forever()
            self.holder, self.taken_at = turn, trio.current_time()
            try:
                yield
            finally:
                self.holder = None
                self._claims.clear()

    async def close(self) -> None:
        """Let nobody else take it; return when the sentence that is heard is over."""
        self.closed = True
        await trio.lowlevel.checkpoint()
        if self.speaking is not None:
            await self.speaking.sentence_over()

    @property
    def speaking(self) -> Replying | None:
        """The turn whose reply is being heard now, or holds its breath."""
        holder = self.holder
        return holder if holder is not None and holder.audible else None

    def contest(self, claim: Claim) -> Replying | None:
        """The reply that `claim` may interrupt; it holds its breath from now on."""
        speaking = self.contested(claim)
        if speaking is not None:
            self._claims.add(claim)
            speaking.duck(by=claim.turn.speaker.name)
        return speaking

    def contested(self, claim: Claim) -> Replying | None:
        """The reply that `claim` may interrupt, if one is being heard."""
        speaking = self.speaking
        if speaking is None or speaking is claim.turn:
            return None
        who, addressee = claim.turn.speaker, speaking.speaker
        allowed = self.barge_in.allowed(who.id, addressee.id)
        return speaking if allowed and self.company.contests(who, addressee) else None

    def called(self, claim: Claim, text: str) -> Replying | None:
        """The reply that `claim` may interrupt because its words call the agent."""
        speaking, who = self.speaking, claim.turn.speaker
        if speaking is None or speaking is claim.turn or who.agent:
            return None
        allowed = self.barge_in.allowed(who.id, speaking.speaker.id)
        calls = self.company.calls(who, text, claim.onset)
        return speaking if allowed and calls else None

    def held_for(self, claim: Claim) -> bool:
        """Whether a reply holds its breath because of `claim`."""
        return claim in self._claims

    def forget(self, speaker_id: int, now: float) -> None:
        """What is known of this speaker, and what was said too long ago to matter."""
        self.echoing.discard(speaker_id)
        self.company.forget(speaker_id)
        self.echo.forget(now)

    def dismiss(self, claim: Claim) -> None:
        """It was nothing, so far: the reply goes on, unless somebody else claims."""
        self._claims.discard(claim)
        if not self._claims and self.speaking is not None:
            self.speaking.restore()


@attrs.define(eq=False)
class Claim:
    """One turn's claim to a floor on which somebody else is being answered.

    Its speaker's voice ducks the reply at once. Enough of it, or words that are neither
    a backchannel nor our own echo, interrupt it; silence gives it back.
    """

    floor: Floor
    turn: Replying
    onset: float
    """When its speaker began to say this."""

    def voice(self, speech_s: float, text: str) -> None:
        """A packet of speech came: so much in all, with these words so far."""
        self._judge(self.floor.contest(self), speech_s, text)

    def words(self, speech_s: float, text: str) -> None:
        """The recognizer knows more."""
        reply = self.floor.contested(self) or self.floor.called(self, text)
        self._judge(reply, speech_s, text)

    def quiet(self) -> None:
        """Silence, and no words are outstanding."""
        self.floor.dismiss(self)

    def final(self, text: str) -> None:
        """All its words are known and no echo: no reply holds its breath any more."""
        reply = self.floor.contested(self) if self.floor.held_for(self) else None
        backchannels = self.floor.barge_in.config.backchannels
        nothing = self._came_first or is_backchannel(text, backchannels)
        if reply is not None and not nothing:
            reply.interrupt("barge-in", by=self.turn.speaker.name)
        else:
            self.quiet()

    def is_echo(self, text: str) -> bool:
        """Whether `text`, all of it, is what we said ourselves."""
        if not self.floor.echo.is_echo(text, self.onset):
            return False
        self.floor.echoing.add(self.turn.speaker.id)
        return True

    @property
    def _came_first(self) -> bool:
        """Whether its speaker was talking already when the reply began.

        Not against the reply then: it holds its breath until they have finished, goes
        on, and theirs is next.
        """
        return self.onset < self.floor.taken_at

    def _judge(self, reply: Replying | None, speech_s: float, text: str) -> None:
        if reply is None or self._came_first:
            return
        if not self.floor.barge_in.confirmed(speech_s, text):
            return
        if words_of(text):
            echo = self.floor.echo.may_be_echo(text, self.onset)
        else:
            echo = self.turn.speaker.id in self.floor.echoing
        if not echo:
            reply.interrupt("barge-in", by=self.turn.speaker.name)
