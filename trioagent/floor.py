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
    sounds_since: float = math.inf
    """When the holder's reply began to be heard; infinite if none is."""
    closed: bool = False
    """Whether nobody takes it any more."""
    echoing: set[int] = attrs.Factory(set)
    _voices: dict[Claim, None] = attrs.Factory(dict)
    """Whose speakers talk now, in their order."""
    _claims: set[Claim] = attrs.Factory(set)
    """For which the holder's reply holds its breath."""
    _queue: trio.StrictFIFOLock = attrs.Factory(trio.StrictFIFOLock)

    @asynccontextmanager
    async def held_by(self, turn: Replying) -> AsyncIterator[None]:
        """Wait for the floor; leaving the block hands it to the next turn.

        Whoever talks already and may interrupt it holds it up before its first frame.
        """
        async with self._queue:
            if self.closed:
                await trio.sleep_forever()
            self.holder = turn
            for claim in self._voices:
                self._hold_for(claim)
            try:
                yield
            finally:
                self.holder, self.sounds_since = None, math.inf
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

    def sounds(self) -> None:
        """The holder's reply is heard from now on."""
        self.sounds_since = trio.current_time()

    def contest(self, claim: Claim) -> Replying | None:
        """The reply that `claim` may interrupt; it holds its breath from now on.

        One that is not heard yet does, too, but cannot be interrupted: None.
        """
        self._voices[claim] = None
        self._hold_for(claim)
        return self.contested(claim)

    def contested(self, claim: Claim) -> Replying | None:
        """The reply that `claim` may interrupt, if one is being heard."""
        return self.speaking if self._is_against(claim) else None

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

    def silent(self, claim: Claim) -> None:
        """Its speaker does not talk now: the next reply need not wait."""
        self._voices.pop(claim, None)

    def dismiss(self, claim: Claim) -> None:
        """It was nothing, so far: the reply goes on, unless somebody else claims."""
        self.silent(claim)
        self._claims.discard(claim)
        if not self._claims and self.holder is not None:
            self.holder.restore()

    def _hold_for(self, claim: Claim) -> None:
        if self.holder is not None and self._is_against(claim):
            self._claims.add(claim)
            self.holder.duck(by=claim.turn.speaker.name)

    def _is_against(self, claim: Claim) -> bool:
        """Whether this claim's voice is one against the holder's reply."""
        holder, who = self.holder, claim.turn.speaker
        if holder is None or holder is claim.turn:
            return False
        allowed = self.barge_in.allowed(who.id, holder.speaker.id)
        return allowed and self.company.contests(who, holder.speaker)


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

    def pause(self, text: str) -> None:
        """Silence after `text`, and no words are outstanding.

        Who has been talking since before the reply may finish: this may be a breath.
        """
        is_nothing = not words_of(text) or self._is_backchannel(text)
        if is_nothing or not self._came_first:
            self.quiet()

    def quiet(self) -> None:
        """Its speaker says nothing more, or said nothing at all."""
        self.floor.dismiss(self)

    def final(self, text: str) -> None:
        """All its words are known and no echo: no reply holds its breath any more."""
        reply = self.floor.contested(self) if self.floor.held_for(self) else None
        nothing = self._came_first or self._is_backchannel(text)
        self.floor.silent(self)
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

    def _is_backchannel(self, text: str) -> bool:
        return is_backchannel(text, self.floor.barge_in.config.backchannels)

    @property
    def _came_first(self) -> bool:
        """Whether its speaker was talking already when the reply began to be heard.

        Not against the reply then: it holds its breath until they have finished, goes
        on, and theirs is next.
        """
        return self.onset < self.floor.sounds_since

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
