"""Our messages to the server, in order, by one task; voice only if it goes at once."""

from __future__ import annotations

import math
from collections import deque

import attrs
import trio

from providers.rooms.mumble.control import ControlStream
from providers.rooms.mumble.messages import Message, VoiceTunnel
from providers.rooms.mumble.wire import encode

_MAX_QUEUED = 64
_MAX_QUEUED_VOICE = 2
_VOICE_BEST_BEFORE_S = 0.06

# What is not acknowledged after a round trip and this long is stuck: acknowledgements
# may be held back for 40 ms, and two frames may be under way.
_UNACKNOWLEDGED_S = 0.12
_TUNNEL_OVERHEAD_BYTES = 50  # per packet: TLS record, header, sequence, length
_PACKETS_PER_S = 50
_TRIPS_KEPT = 8


@attrs.frozen
class _Outgoing:
    data: bytes
    best_before: float = math.inf


@attrs.define(eq=False)
class Sender:
    """A short queue in front of the connection.

    TCP delivers everything, however late. Late speech is worse than none, so voice is
    dropped here (and counted in `dropped`) as soon as the connection falls behind.
    """

    _control: ControlStream
    bitrate_bps: int
    dropped: int = 0
    _round_trips_s: deque[float] = attrs.Factory(lambda: deque(maxlen=_TRIPS_KEPT))
    _send: trio.MemorySendChannel[_Outgoing] = attrs.field(init=False)
    _receive: trio.MemoryReceiveChannel[_Outgoing] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[_Outgoing](_MAX_QUEUED)

    def put(self, message: Message) -> bool:
        """Send `message` soon. False: it is dropped, the connection is stuck."""
        return self._put(_Outgoing(encode(message)))

    def put_voice(self, packet: bytes, *, last: bool) -> bool:
        """Send a voice packet now. False: it is dropped, it would come late.

        The packet that ends a talk spurt always goes: it is the last one, and
        without it the listeners' clients make up more.
        """
        outgoing = _Outgoing(encode(VoiceTunnel(packet)))
        if not last:
            if self._behind():
                self.dropped += 1
                return False
            best_before = trio.current_time() + _VOICE_BEST_BEFORE_S
            outgoing = attrs.evolve(outgoing, best_before=best_before)
        return self._put(outgoing)

    def measured_round_trip(self, trip_s: float) -> None:
        """Take note of how long a ping took. One that was stuck does not count."""
        self._round_trips_s.append(trip_s)

    async def run(self) -> None:
        """Send what is put. Ends by being cancelled.

        Raises:
            LinkDown: the connection broke.
        """
        with self._receive:
            async for outgoing in self._receive:
                if outgoing.best_before < trio.current_time():
                    self.dropped += 1
                else:
                    await self._control.send(outgoing.data)

    def _put(self, outgoing: _Outgoing) -> bool:
        try:
            self._send.send_nowait(outgoing)
        except (trio.WouldBlock, trio.BrokenResourceError):
            self.dropped += 1
            return False
        return True

    def _behind(self) -> bool:
        if self._send.statistics().current_buffer_used >= _MAX_QUEUED_VOICE:
            return True
        round_trip_s = min(self._round_trips_s, default=0.0)
        bytes_per_s = self.bitrate_bps / 8 + _TUNNEL_OVERHEAD_BYTES * _PACKETS_PER_S
        allowed = bytes_per_s * (round_trip_s + _UNACKNOWLEDGED_S)
        return self._control.unacknowledged_bytes() > allowed
