"""A room in memory, and an agent in it whose every reaction is scripted to the ms."""

from __future__ import annotations

import math

import attrs
import numpy as np
import trio

from trioagent.calling.utterances import rms
from trioagent.interfaces import (
    FRAME_S,
    Pcm,
    RoomEvent,
    Speaker,
    SpeakerJoined,
    VoicePacket,
)

AGENT = Speaker(7, "trioagent")
LOUD = 3000
"""The level of everybody's speech here, in RMS of 16-bit samples."""


def tone(level: float, seconds: float = FRAME_S, rate_hz: int = 16_000) -> Pcm:
    """A square wave at a sixteenth of the rate: its RMS is its amplitude."""
    wave = np.full(round(seconds * rate_hz), level)
    wave[np.arange(len(wave)) % 16 < 8] *= -1
    return wave.astype(np.int16)


@attrs.frozen(eq=False)
class Written:
    time: float
    level: float
    samples: int
    rate_hz: int
    last: bool


class FakeRoom:
    """Keeps what the caller writes; `put` is what the caller hears."""

    def __init__(self, rate_hz: int = 16_000) -> None:
        self._send, self.events = trio.open_memory_channel[RoomEvent](math.inf)
        self._rate_hz = rate_hz
        self.written: list[Written] = []
        self.spoke = trio.Event()

    name = "caller"
    address = "here:64738/Lobby"

    def frame_rate_hz(self, source_rate_hz: int) -> int:
        return self._rate_hz

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:
        now = trio.current_time()
        self.written.append(Written(now, rms(frame), len(frame), rate_hz, last))
        self.spoke.set()

    def end_talk(self) -> None:
        raise AssertionError("the caller ends its talk with its last frame")

    async def send_text(self, text: str, to: Speaker | None = None) -> None:
        raise AssertionError("the caller does not write")

    def put(self, event: RoomEvent) -> None:
        self._send.send_nowait(event)

    def close(self) -> None:
        self._send.close()

    def voice(self, pcm: Pcm, *, ends_talk: bool = False, who: Speaker = AGENT) -> None:
        self.put(VoicePacket(who, pcm, ends_talk, trio.current_time()))

    def loud_times(self) -> list[float]:
        return [w.time for w in self.written if w.level > LOUD / 2]


@attrs.define(eq=False)
class ScriptedAgent:
    """Answers what it hears; all reactions count from packets, in seconds."""

    room: FakeRoom
    after_s: float | None = 0.7
    """From the last loud packet to the reply; None never replies."""
    spurts_s: tuple[float, ...] = (2.0,)
    """How long the talk spurts of a reply are; 0.5 s are between them."""
    fade_after_s: float = math.inf
    """From the first interrupting packet until it talks at a tenth of its level."""
    stop_after_s: float = math.inf
    """The same, until it stops in the middle of a reply and listens again."""
    terminates: bool = True

    async def run(self) -> None:
        self.room.put(SpeakerJoined(AGENT))
        heard = 0
        while self.after_s is not None:
            heard = await self._wait_for_the_end(heard, self.after_s)
            for i, length_s in enumerate(self.spurts_s):
                await trio.sleep(0.5 if i else 0)
                if await self._talk(length_s, heard):
                    break

    async def _wait_for_the_end(self, heard: int, after_s: float) -> int:
        while len(self.room.loud_times()) <= heard:
            self.room.spoke = trio.Event()
            await self.room.spoke.wait()
        due = self.room.loud_times()[-1] + after_s
        # It moves on with every packet.
        while trio.current_time() < due:
            await trio.sleep_until(due)
            due = self.room.loud_times()[-1] + after_s
        return len(self.room.loud_times())

    async def _talk(self, length_s: float, heard: int) -> bool:
        """Talk; True if it was stopped."""
        start = trio.current_time()
        for i in range(round(length_s / FRAME_S)):
            await trio.sleep_until(start + i * FRAME_S)
            disturbed = self.room.loud_times()[heard:]
            since_s = trio.current_time() - disturbed[0] if disturbed else -math.inf
            if since_s >= self.stop_after_s:
                self._end()
                return True
            self.room.voice(tone(LOUD / 10 if since_s >= self.fade_after_s else LOUD))
        await trio.sleep_until(start + length_s)
        self._end()
        return False

    def _end(self) -> None:
        if self.terminates:
            self.room.voice(tone(0, 0), ends_talk=True)
