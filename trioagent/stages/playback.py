"""Playback: committed drafts in, frames into the room.

One frame per tick at absolute deadlines, never a burst after a stall. The write and
the cursor that records it are one step, with no checkpoint between.
"""

from __future__ import annotations

import math
from typing import Protocol

import attrs
import trio

from trioagent.interfaces import FRAME_S, Room
from trioagent.journal.events import TurnJournal
from trioagent.stages.draft import Draft

# A tick this late moves the schedule instead of being made up for: the clients'
# jitter buffers remember bursts.
LATE_S = 2 * FRAME_S


class Control(Protocol):
    """Whoever owns the reply: may it be heard, and now?"""

    @property
    def held(self) -> bool:
        """Whether it holds its breath, because somebody begins to speak."""
        ...

    def begin(self) -> bool:
        """Asked in the same step as the first write; False: it must not be heard."""
        ...

    def sounding(self, phrase: str) -> None:
        """Told each phrase when it begins to sound."""
        ...

    def waits(self, *, for_audio: bool) -> None:
        """Told whenever it looks: does it wait for more audio, or can it go on?"""
        ...


@attrs.define(eq=False)
class Playback:
    """Plays one draft."""

    draft: Draft
    room: Room
    journal: TurnJournal
    control: Control
    _next_tick: float = -math.inf
    """A frame lasts until then: held and restored at once, it must still end first."""

    async def run(self) -> bool:
        """Play the draft to its end; False if it must not be heard after all.

        If cancelled, the talk spurt ends at once.
        """
        played: bool | None = None
        try:
            while played is None:
                await self.draft.wait_until(self._can_go_on)
                if self.draft.discarded:
                    played = False
                elif self.draft.buffer.drained:
                    # Also after an underrun that nothing followed: a phrase failed.
                    if self.draft.buffer.cursor:
                        self.journal.record("last_frame", until=self._until)
                    played = True
                elif not await self._play_run():
                    played = False
        finally:
            self.room.end_talk()
            if played is None and self.draft.buffer.cursor:
                self.journal.record("cut_off", until=self._until)
        return played

    @property
    def _until(self) -> float:
        """When the last frame has sounded, as the journal counts."""
        return self.journal.since(self._next_tick)

    def _can_go_on(self) -> bool:
        ready = self.draft.ready()
        over = self.draft.buffer.drained or self.draft.discarded
        self.control.waits(for_audio=not ready and not over)
        return over or (ready and not self.control.held)

    async def _play_run(self) -> bool:
        """Write frames until there is none left, or it is held; False: none may be.

        Held, it fades out within one frame and ends the talk spurt.
        """
        buffer = self.draft.buffer
        start, index = max(trio.current_time(), self._next_tick), 0
        while not buffer.drained:
            await trio.sleep_until(start + index * FRAME_S)
            late_s = trio.current_time() - (start + index * FRAME_S)
            if late_s > LATE_S:
                start += late_s
            held = self.control.held
            if buffer.cursor == 0 and (held or not self.control.begin()):
                return held
            frame = buffer.take(fade_out=held)
            if frame is None:
                self.room.end_talk()
                self.journal.record("underrun")
                return True
            self.room.write(frame, buffer.rate_hz, last=held or buffer.drained)
            self._next_tick = trio.current_time() + FRAME_S
            for phrase in buffer.newly_begun():
                self.control.sounding(phrase.text)
            self.draft.changed()
            if held and not buffer.drained:
                return True
            index += 1
        return True
