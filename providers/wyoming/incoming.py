"""A phrase's audio on its way from a server to whoever listens."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from trioagent.errors import ProviderError
from trioagent.interfaces import Outlet, Speech

if TYPE_CHECKING:
    from trioagent.wyoming.framing import Event

MAX_PHRASE_S = 600
# More than any phrase that is cut for speaking: such a one is read as fast as it comes.
AHEAD_S = 30
RATES_HZ = range(1_000, 192_001)


@attrs.define(eq=False)
class Incoming:
    """One phrase's audio on its way from a server to the receiver.

    A server that cannot write may hold up its other clients. So it is read as it comes,
    and what the receiver has no room for waits here: up to `AHEAD_S` of it.
    """

    audio: Outlet[Speech]
    rate_hz: int
    """0 takes the first rate that comes."""
    begun: bool = False
    """Whether something was sent on."""
    _samples: int = 0
    _waiting_samples: int = 0
    _half: bytes = b""
    _waiting: deque[Speech] = attrs.Factory(deque)

    def begins(self, event: Event) -> None:
        """Take an `audio-start`.

        Raises:
            ProviderError: not the format that was promised.
        """
        width, channels = event.data.get("width"), event.data.get("channels")
        rate_hz = event.data.get("rate")
        # A truth value is an int, too, but none of these.
        fits = isinstance(rate_hz, int) and rate_hz in RATES_HZ
        if width != 2 or channels != 1 or not fits or rate_hz is None:
            text = f"audio of {rate_hz!s:.40} Hz, {width!s:.40} bytes, "
            text += f"{channels!s:.40} channels: it must be mono, with 16 bits"
            raise ProviderError(f"{text}, at {RATES_HZ[0]} to {RATES_HZ[-1]} Hz")
        if self.rate_hz not in (0, rate_hz):
            raise ProviderError(
                f"its speech has {rate_hz} Hz, not {self.rate_hz} Hz",
                hint="all voices that take over from another need the same rate: set "
                "`voice` or `rate_hz` in [tts.wyoming]",
            )
        self.rate_hz = rate_hz

    def take(self, payload: bytes) -> None:
        """Take a piece, cut anywhere; send it on if there is room."""
        data = self._half + payload
        whole = len(data) - len(data) % 2
        self._half = data[whole:]
        if pcm := data[:whole]:
            self._samples += whole // 2
            if self._samples > MAX_PHRASE_S * max(self.rate_hz, 1):
                raise ProviderError(f"more than {MAX_PHRASE_S} s for one phrase")
            self._waiting.append(Speech(np.frombuffer(pcm, "<i2")))
            self._waiting_samples += whole // 2
        self.send_on()

    def send_on(self) -> None:
        """Send what there is room for."""
        try:
            while self._waiting:
                self.audio.send_nowait(self._waiting[0])
                self._sent()
        except trio.WouldBlock:
            return

    async def send_all_but(self, seconds: float) -> None:
        """Send all but the last so many seconds, at the receiver's pace."""
        while self._waiting_samples > seconds * self.rate_hz:
            await self.audio.send(self._waiting[0])
            self._sent()

    def _sent(self) -> None:
        self._waiting_samples -= len(self._waiting.popleft().pcm)
        self.begun = True
