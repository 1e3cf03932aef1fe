"""The room's events on their way to the agent."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.interfaces import RoomEvent, TextMessage, VoicePacket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

MAX_EVENTS = 1000
"""Voice packets; what a second of fifty people is."""

MAX_TEXTS = 50

MAX_AT_ONCE = 5
"""Events that the reader gets before other tasks may run. One each time would be too
few: where twenty people speak, the loop does not come round a thousand times a second,
and what is heard would be later and later. An ear takes up to 0.3 ms for each."""

_CLEARED = 100
_TEXTS_CLEARED = 10


@attrs.define
class _Backlog:
    """What waits of one kind that may get lost, by speaker."""

    limit: int
    cleared: int
    waiting: Counter[int] = attrs.Factory(Counter)
    dropped: int = 0


@attrs.define(eq=False)
class EventInbox:
    """A queue that never makes the network wait and never loses a control event.

    It has one reader. Voice is what fills it, or text: when `MAX_EVENTS` packets or
    `MAX_TEXTS` messages wait, the oldest of them go, of whoever has the most waiting,
    so that nobody crowds the others out. Who joins or leaves, the link's fate and the
    end of each speaker's last talk spurt stay, and are few.
    """

    peak: int = 0
    """The most events that ever waited."""
    _events: deque[RoomEvent] = attrs.Factory(deque)
    _voice: _Backlog = attrs.Factory(lambda: _Backlog(MAX_EVENTS, _CLEARED))
    _texts: _Backlog = attrs.Factory(lambda: _Backlog(MAX_TEXTS, _TEXTS_CLEARED))
    _news: trio.Event = attrs.Factory(trio.Event)
    _ended: bool = False
    _unread: bool = False
    _at_once: int = 0
    """Events that the reader got since others could run."""

    @property
    def events(self) -> EventInbox:
        """The reader's end."""
        return self

    @property
    def waiting(self) -> int:
        """How many events wait now."""
        return len(self._events)

    @property
    def dropped(self) -> int:
        """How many voice packets nobody took in time."""
        return self._voice.dropped

    @property
    def texts_dropped(self) -> int:
        """How many chat messages nobody took in time."""
        return self._texts.dropped

    def put(self, event: RoomEvent) -> None:
        """Add an event; nothing happens once the reader has gone."""
        if self._unread or self._ended:
            return
        backlog = self._backlog(event)
        if backlog is not None and isinstance(event, VoicePacket | TextMessage):
            if backlog.waiting.total() >= backlog.limit:
                self._make_room(backlog)
            backlog.waiting[event.speaker.id] += 1
        self._events.append(event)
        self.peak = max(self.peak, len(self._events))
        self._news.set()

    def end(self) -> None:
        """Let the reader come to the end."""
        self._ended = True
        self._news.set()

    def close(self) -> None:
        """The reader goes: what waits and what comes is of no interest."""
        self._unread = True
        self._events.clear()

    def __aiter__(self) -> AsyncIterator[RoomEvent]:
        return self

    async def __anext__(self) -> RoomEvent:
        try:
            return await self.receive()
        except trio.EndOfChannel:
            raise StopAsyncIteration from None

    async def receive(self) -> RoomEvent:
        """Return the next event. If cancelled, none is lost.

        Other tasks run before each event for which it waits, and once in a while else.

        Raises:
            trio.EndOfChannel: there will be no more.
        """
        if self._events and self._at_once < MAX_AT_ONCE:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await trio.lowlevel.checkpoint()
            self._at_once = 0
        self._at_once += 1
        while True:
            try:
                return self.receive_nowait()
            except trio.WouldBlock:
                self._news = trio.Event()
            await self._news.wait()
            self._at_once = 1

    def receive_nowait(self) -> RoomEvent:
        """Return the next event.

        Raises:
            trio.WouldBlock: there is none now.
            trio.EndOfChannel: there will be no more.
        """
        if not self._events:
            raise trio.EndOfChannel if self._ended else trio.WouldBlock
        event = self._events.popleft()
        self._forget(event)
        return event

    def _backlog(self, event: RoomEvent) -> _Backlog | None:
        if isinstance(event, VoicePacket):
            return self._voice
        return self._texts if isinstance(event, TextMessage) else None

    def _forget(self, event: RoomEvent) -> None:
        backlog = self._backlog(event)
        if backlog is None or not isinstance(event, VoicePacket | TextMessage):
            return
        backlog.waiting[event.speaker.id] -= 1
        if backlog.waiting[event.speaker.id] <= 0:
            del backlog.waiting[event.speaker.id]

    def _make_room(self, backlog: _Backlog) -> None:
        ((speaker, _),) = backlog.waiting.most_common(1)
        end = self._last_end(speaker)
        kept: deque[RoomEvent] = deque()
        cleared = 0
        for event in self._events:
            of_theirs = (
                self._backlog(event) is backlog
                and isinstance(event, VoicePacket | TextMessage)
                and event.speaker.id == speaker
            )
            if of_theirs and cleared < backlog.cleared and event is not end:
                cleared += 1
                self._forget(event)
            else:
                kept.append(event)
        self._events = kept
        backlog.dropped += cleared

    def _last_end(self, speaker: int) -> RoomEvent | None:
        """Return the waiting packet that ends this speaker's last talk spurt."""
        for event in reversed(self._events):
            match event:
                case VoicePacket(ends_talk=True) if event.speaker.id == speaker:
                    return event
                case _:
                    pass
        return None
