"""The room's events on their way to the agent."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.interfaces import RoomEvent, VoicePacket

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_EVENTS = 1000
_CLEARED = 100


@attrs.define(eq=False)
class EventInbox:
    """A queue that never makes the network wait and never loses a control event.

    Voice is what fills it. When `MAX_EVENTS` wait, the oldest `_CLEARED` voice packets
    go (and are counted in `dropped`); who joins or leaves, the link's fate and the
    ends of talk spurts stay, and are few.
    """

    dropped: int = 0
    events: trio.MemoryReceiveChannel[RoomEvent] = attrs.field(init=False)
    _send: trio.MemorySendChannel[RoomEvent] = attrs.field(init=False)
    # Ours, to take voice out again; the agent may close or clone its own end.
    _receive: trio.MemoryReceiveChannel[RoomEvent] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self.events = trio.open_memory_channel[RoomEvent](math.inf)
        self._receive = self.events.clone()

    def put(self, event: RoomEvent) -> None:
        """Add an event; nothing happens once the reader has gone."""
        statistics = self._send.statistics()
        if statistics.open_receive_channels == 1:
            return
        if statistics.current_buffer_used >= MAX_EVENTS:
            self._make_room()
        self._send.send_nowait(event)

    def close(self) -> None:
        """Let the reader come to the end."""
        self._send.close()
        self._receive.close()

    def _make_room(self) -> None:
        kept, cleared = [], 0
        for event in _waiting(self._receive):
            if cleared < _CLEARED and _can_go(event):
                cleared += 1
            else:
                kept.append(event)
        for event in kept:
            self._send.send_nowait(event)
        self.dropped += cleared


def _can_go(event: RoomEvent) -> bool:
    return isinstance(event, VoicePacket) and not event.ends_talk


def _waiting(receive: trio.MemoryReceiveChannel[RoomEvent]) -> Iterator[RoomEvent]:
    while True:
        try:
            yield receive.receive_nowait()
        except trio.WouldBlock:
            return
