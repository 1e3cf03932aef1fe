"""Somebody who talks to the agent over the wire, and writes down what is heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.calling.at_once import speak, transcribe
from trioagent.calling.audio_files import resample
from trioagent.calling.talk_spurts import SpurtLog, TalkSpurt, reply_to, sound_of
from trioagent.calling.utterances import Frame, Utterance, transmission
from trioagent.interfaces import (
    FRAME_S,
    LinkLost,
    Recognizer,
    Room,
    SpeakerJoined,
    SpeakerLeft,
    VoicePacket,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trioagent.interfaces import RoomEvent, Synthesizer

RATE_HZ = 24_000
QUIET_S = 0.9


@attrs.define(eq=False)
class Person:
    """One user. `listen` has to run meanwhile."""

    room: Room
    agent: str
    recognizer: Recognizer
    talks: dict[str, tuple[Frame, ...]]
    log: SpurtLog = attrs.Factory(SpurtLog)
    agent_is_here: bool = False
    _changed: trio.Event = attrs.Factory(trio.Event)

    async def listen(self) -> None:
        """Take what happens in the room."""
        async for event in self.room.events:
            self._take(event)
            self._changed.set()
            self._changed = trio.Event()

    def _take(self, event: RoomEvent) -> None:
        match event:
            case VoicePacket(speaker=speaker) if speaker.name == self.agent:
                self.log.add(event)
            case SpeakerJoined(speaker=speaker) if speaker.name == self.agent:
                self.agent_is_here = True
            case SpeakerLeft(speaker=speaker) if speaker.name == self.agent:
                self.agent_is_here = False
            case LinkLost():
                self.agent_is_here = False
            case _:
                pass

    async def until_met(self, timeout_s: float) -> bool:
        """Whether the agent is in the channel, within `timeout_s`."""
        with trio.move_on_after(timeout_s):
            await trio.lowlevel.checkpoint()
            while not self.agent_is_here:
                await self._changed.wait()
        return self.agent_is_here

    async def say(self, text: str) -> None:
        """Say it, in real time."""
        await trio.lowlevel.checkpoint()
        start = trio.current_time()
        for i, frame in enumerate(self.talks[text]):
            await trio.sleep_until(start + i * FRAME_S)
            if frame.pcm is not None:
                self.room.write(frame.pcm, RATE_HZ, last=frame.ends_talk)

    async def until_heard_out(self, since: float, timeout_s: float) -> bool:
        """Wait for a reply and its end; False: none began within `timeout_s`."""
        give_up = trio.current_time() + timeout_s
        while True:
            await trio.lowlevel.checkpoint()
            spurts = self._reply(since)
            end = spurts[-1].end + QUIET_S if spurts else give_up
            with trio.move_on_at(end) as scope:
                await self._changed.wait()
            if scope.cancelled_caught:
                return bool(spurts)

    def first_sound(self, since: float) -> float | None:
        """When the first reply after `since` began."""
        spurts = self._reply(since)
        return spurts[0].start if spurts else None

    async def words(self, since: float, until: float) -> list[str]:
        """What was heard in this time, in words."""
        spurts = [s for s in self._reply(since) if s.start < until]
        return (await transcribe(self.recognizer, sound_of(spurts))).split()

    def _reply(self, since: float) -> list[TalkSpurt]:
        return reply_to(self.log.spurts, starts_after=since, sounds_after=since)


async def talks_of(
    synthesizer: Synthesizer, texts: Iterable[str]
) -> dict[str, tuple[Frame, ...]]:
    """The frames of each text, as a client with voice activation sends them."""
    await trio.lowlevel.checkpoint()
    talks = {}
    for text in texts:
        pcm = await speak(synthesizer, text)
        talks[text] = transmission(
            Utterance(
                text, resample(pcm, synthesizer.rate_hz, RATE_HZ), RATE_HZ, noisy=False
            )
        )
    return talks
