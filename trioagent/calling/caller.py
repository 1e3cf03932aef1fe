"""The second user of `trioagent call`: talks to the agent and measures what it does.

One task does it all. The room keeps what happens, with arrival times, while we sleep
between two frames, so nothing is read too late to be timed rightly.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.calling.at_once import transcribe
from trioagent.calling.audio_files import resample
from trioagent.calling.plan import CallPlan, CallResult
from trioagent.calling.talk_spurts import (
    Interruption,
    SpurtLog,
    TalkSpurt,
    duration_s,
    interruption,
    milliseconds,
    reply_to,
    sound_of,
)
from trioagent.calling.utterances import Frame, Utterance, transmission
from trioagent.errors import RoomUnreachable, TrioagentError
from trioagent.interfaces import (
    FRAME_S,
    LinkLost,
    Room,
    SpeakerJoined,
    SpeakerLeft,
    VoicePacket,
)

if TYPE_CHECKING:
    from trioagent.interfaces import Recognizer, RoomEvent

logger = logging.getLogger(__name__)


async def call(
    room: Room,
    agent_name: str,
    plan: CallPlan,
    results: trio.MemorySendChannel[CallResult],
    recognizer: Recognizer | None = None,
) -> None:
    """Say each utterance to the agent and send what came back into `results`.

    Speaks in real time. An interrupting utterance has a result of its own, right after
    the one that it interrupts. With a `recognizer`, replies are transcribed. Does not
    close `results`. If cancelled, it stops in the middle of a word.

    Raises:
        ConfigError: an utterance holds no speech.
        TrioagentError: the agent is not in the channel, or left it.
        RoomUnreachable: the link was lost, so no number would mean anything.
        ProviderError: the recognizer failed.
    """
    caller = _Caller(room, agent_name, plan)
    # Made before the first word: resampling would delay a frame.
    talks = [caller.prepare(utterance) for utterance in plan.utterances]
    into = caller.prepare(plan.interruption) if plan.interruption else None
    await caller.until_present()
    for talk in talks:
        await caller.settle()
        for result in await caller.converse(talk, into):
            if recognizer is not None:
                text = await transcribe(recognizer, result.heard)
                await results.send(attrs.evolve(result, transcript=text))
            else:
                await results.send(result)


@attrs.frozen(eq=False)
class _Talk:
    """An utterance as the room takes it."""

    said: str
    frames: tuple[Frame, ...]
    rate_hz: int


@attrs.frozen
class _Spoken:
    """When we spoke: our first packet, and the last one with speech in it."""

    first_s: float
    last_speech_s: float


@attrs.define(eq=False)
class _Caller:
    room: Room
    agent_name: str
    plan: CallPlan
    log: SpurtLog = attrs.field(factory=SpurtLog)
    present: dict[int, str] = attrs.field(factory=dict)

    def prepare(self, utterance: Utterance) -> _Talk:
        rate_hz = self.room.frame_rate_hz(utterance.rate_hz)
        pcm = resample(utterance.pcm, utterance.rate_hz, rate_hz)
        utterance = attrs.evolve(utterance, pcm=pcm, rate_hz=rate_hz)
        frames = transmission(utterance, self.plan.release, self.plan.hold_ms)
        return _Talk(utterance.said, frames, rate_hz)

    async def until_present(self) -> None:
        deadline = trio.current_time() + self.plan.wait_s
        while self.agent_name not in self.present.values():
            if not await self._listen_until(deadline):
                others = sorted(set(self.present.values()) - {self.room.name})
                raise TrioagentError(
                    f"nobody called {self.agent_name!r} is in {self.room.address}",
                    hint=f"who is there: {', '.join(others) or 'nobody'}; start the "
                    "agent, or name the channel it is in",
                )

    async def settle(self) -> None:
        """Wait until the agent has been silent for a while, but not for ever."""
        give_up = trio.current_time() + self.plan.reply_timeout_s
        silent_s = trio.current_time() + self.plan.settle_s
        while await self._listen_until(min(silent_s, give_up)):
            if self.log.spurts:
                silent_s = max(silent_s, self.log.spurts[-1].end + self.plan.settle_s)
        self.log.forget()

    async def converse(
        self, talk: _Talk, interrupting: _Talk | None
    ) -> list[CallResult]:
        """Say it, hear the reply, perhaps interrupt that and hear the next one."""
        spoken = await self._say(talk)
        if interrupting is None:
            reply = await self._reply(spoken.first_s, spoken.last_speech_s)
            return [_result(talk.said, spoken, reply)]
        if not await self._moment_to_interrupt(spoken):
            reply = self._reply_so_far(spoken.first_s, spoken.last_speech_s)
            logger.warning("%s: no reply long enough to interrupt", talk.said)
            result = _result(talk.said, spoken, reply)
            return [attrs.evolve(result, interruption=Interruption())]
        again = await self._say(interrupting)
        answer = await self._reply(again.last_speech_s, again.last_speech_s)
        reply = self._reply_so_far(spoken.first_s, spoken.last_speech_s)
        reply = [s for s in reply if s not in answer]
        measured = interruption(reply, again.first_s, again.last_speech_s)
        result = _result(talk.said, spoken, reply)
        result = attrs.evolve(result, interruption=measured)
        answered = _result(interrupting.said, again, answer)
        return [result, attrs.evolve(answered, interrupts=True)]

    async def _say(self, talk: _Talk) -> _Spoken:
        start = trio.current_time()
        first_s: float | None = None
        last_speech_s = start
        for i, frame in enumerate(talk.frames):
            while await self._listen_until(start + i * FRAME_S):
                pass
            if frame.pcm is None:
                continue
            now = trio.current_time()
            if frame.is_speech:
                first_s, last_speech_s = first_s or now, now
            self.room.write(frame.pcm, talk.rate_hz, last=frame.ends_talk)
        return _Spoken(first_s or start, last_speech_s)

    def _reply_so_far(
        self, starts_after: float, sounds_after: float
    ) -> list[TalkSpurt]:
        return reply_to(
            self.log.spurts, starts_after=starts_after, sounds_after=sounds_after
        )

    async def _reply(self, starts_after: float, sounds_after: float) -> list[TalkSpurt]:
        """Wait for a reply and its end; empty when none came in time."""
        while True:
            reply = self._reply_so_far(starts_after, sounds_after)
            if not await self._listen_until(self._patience_ends(reply, sounds_after)):
                return reply

    def _patience_ends(self, reply: list[TalkSpurt], spoken_s: float) -> float:
        heard_s = self.log.spurts[-1].end if self.log.spurts else spoken_s
        if reply:
            return heard_s + self.plan.reply_gap_s
        return max(heard_s, spoken_s) + self.plan.reply_timeout_s

    async def _moment_to_interrupt(self, spoken: _Spoken) -> bool:
        """Wait for it; False when the reply ended before, or none came."""
        while True:
            reply = self._reply_so_far(spoken.first_s, spoken.last_speech_s)
            over_s = self._patience_ends(reply, spoken.last_speech_s)
            moment_s = reply[0].start + self.plan.interrupt_at_s if reply else over_s
            now = trio.current_time()
            if reply and now >= moment_s and reply[-1].sounds_at(now):
                return True
            if now >= over_s:
                return False
            # After the moment, between two spurts, the next packet is the moment.
            await self._listen_until(moment_s if now < moment_s < over_s else over_s)

    async def _listen_until(self, deadline: float) -> bool:
        """Take the next event; False when `deadline` passed and there is none."""
        await trio.lowlevel.checkpoint()
        with trio.move_on_at(deadline):
            try:
                # What is already here counts, however late we come to look.
                event = self.room.events.receive_nowait()
            except trio.WouldBlock:
                event = await self.room.events.receive()
            except trio.EndOfChannel:
                raise self._link_lost("the room was closed") from None
            self._take(event)
            return True
        return False

    def _take(self, event: RoomEvent) -> None:
        match event:
            case VoicePacket(speaker=speaker) if speaker.name == self.agent_name:
                self.log.add(event)
            case SpeakerJoined(speaker=speaker):
                self.present[speaker.id] = speaker.name
            case SpeakerLeft(speaker=speaker):
                self.present.pop(speaker.id, None)
                if speaker.name == self.agent_name:
                    raise TrioagentError(
                        f"{self.agent_name!r} left {self.room.address}, or the link "
                        "to it was lost, during the call",
                        hint="its own log says why",
                    )
            case LinkLost(reason=reason):
                raise self._link_lost(reason)

    def _link_lost(self, reason: str) -> RoomUnreachable:
        return RoomUnreachable(
            f"the link to {self.room.address} was lost during the call: {reason}",
            hint="what was measured so far is right; call again for the rest",
        )


def _result(said: str, spoken: _Spoken, reply: list[TalkSpurt]) -> CallResult:
    ttfa_s = reply[0].start - spoken.last_speech_s if reply else None
    return CallResult(
        said=said,
        ttfa_ms=None if ttfa_s is None else milliseconds(ttfa_s),
        reply_s=round(duration_s(reply), 3),
        heard=sound_of(reply),
    )
