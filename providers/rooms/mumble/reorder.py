"""Puts one speaker's packets back into order. Nothing here awaits; time is passed in.

Over UDP a packet may overtake another. One that comes early waits for at most two
missing packets and `HOLD_S`; what is still missing then is reported as `Lost`, so that
the decoder can fill in. Over TCP, packets come in order and nothing waits.
"""

from __future__ import annotations

import math

import attrs

from providers.rooms.mumble.voice_packets import SEQUENCE_S

HOLD_S = 0.04
MAX_MISSING = 2
MAX_CONCEALED_S = 0.04
"""Opus fills in two frames well; what it makes up beyond that is noise."""

LATE_S = 0.5
"""A packet this much behind is late; one further behind began a new talk spurt."""

PAUSE_S = 0.5
"""After this long without a packet, any sequence number begins a new talk spurt."""


@attrs.frozen
class Packet:
    """A packet as it came: `span` and `sequence` count units of `SEQUENCE_S`."""

    sequence: int
    span: int
    opus: bytes
    last: bool
    arrived: float


@attrs.frozen
class Lost:
    """`duration_s` of speech is missing here; the packet after it came at `arrived`."""

    duration_s: float
    arrived: float


@attrs.define(eq=False)
class Reorder:
    """The order of one speaker's packets. `dropped` counts late and repeated ones."""

    dropped: int = 0
    _next: int | None = None
    _ended: bool = True
    _heard: float = -math.inf
    _held: dict[int, Packet] = attrs.Factory(dict)
    _give_up: float = math.inf

    def push(self, packet: Packet, *, in_order: bool) -> list[Packet | Lost]:
        """Take a packet; return what is ready, in order.

        `in_order` says that nothing can have been overtaken (TCP): nothing waits.
        """
        begins = self._begins_spurt(packet)
        self._heard = packet.arrived
        if begins:
            ready = self._release()
            self._ended = False
            return [*ready, *self._play(packet)]
        ahead = packet.sequence - (self._next or 0)
        if ahead < 0 or packet.sequence in self._held:
            self.dropped += 1
            return []
        if ahead > 0 and not in_order and self._worth_waiting(packet, ahead):
            self._held[packet.sequence] = packet
            self._give_up = min(self._give_up, packet.arrived + HOLD_S)
            return []
        if ahead > 0:
            self._held[packet.sequence] = packet
            return self._release()
        return [*self._play(packet), *self._follow()]

    def deadline(self) -> float:
        """When to call `release`, by the clock of `arrived`; infinity: no need to."""
        return self._give_up

    def release(self, now: float) -> list[Packet | Lost]:
        """Return what has waited long enough at `now`."""
        return self._release() if now >= self._give_up else []

    def _begins_spurt(self, packet: Packet) -> bool:
        if self._next is None or packet.arrived - self._heard > PAUSE_S:
            return True
        behind = self._next - packet.sequence
        if behind > LATE_S / SEQUENCE_S:
            return True
        return self._ended and behind <= 0

    def _worth_waiting(self, packet: Packet, ahead: int) -> bool:
        return len(self._held) < MAX_MISSING and ahead <= MAX_MISSING * packet.span

    def _play(self, packet: Packet) -> list[Packet | Lost]:
        self._next = packet.sequence + packet.span
        self._ended = packet.last
        return [packet]

    def _follow(self) -> list[Packet | Lost]:
        """Return the held packets that now follow without a gap."""
        ready: list[Packet | Lost] = []
        while self._next in self._held:
            ready += self._play(self._held.pop(self._next))
        if not self._held:
            self._give_up = math.inf
        return ready

    def _release(self) -> list[Packet | Lost]:
        """Return all held packets, with what is missing between them."""
        ready: list[Packet | Lost] = []
        for sequence in sorted(self._held):
            packet = self._held.pop(sequence)
            missing_s = (sequence - (self._next or 0)) * SEQUENCE_S
            if missing_s < 0:  # overlaps the one before it: a sender's mistake
                self.dropped += 1
                continue
            if 0 < missing_s <= HOLD_S + MAX_CONCEALED_S and not self._ended:
                ready.append(Lost(min(missing_s, MAX_CONCEALED_S), packet.arrived))
            ready += self._play(packet)
        self._give_up = math.inf
        return ready
