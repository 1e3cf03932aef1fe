"""From foreign threads into one Trio task; neither side waits for the other."""

from __future__ import annotations

import threading
from collections import deque
from typing import Generic, TypeVar

import trio

T = TypeVar("T")

# Of what may not get lost. Who has not read so many for so long will not read them.
MOST_CONTROL = 10_000


class Inbox(Generic[T]):
    """A bounded queue that any thread fills and one Trio task empties.

    Make it in the Trio thread. It is bounded by what may get lost: when `limit`
    droppable items wait, the oldest of them makes room for a new one. What may not
    get lost is rare; when `MOST_CONTROL` of it wait, the inbox closes, so that its
    reader learns that it missed something.

    Attributes:
        peak: The most that ever waited.
    """

    def __init__(self, limit: int) -> None:
        self.peak = 0
        self._limit = limit
        self._items: deque[tuple[T, bool]] = deque()
        self._droppable = 0
        self._dropped = 0
        self._closed = False
        self._lock = threading.Lock()
        self._token = trio.lowlevel.current_trio_token()
        self._news = trio.Event()

    @property
    def dropped(self) -> int:
        """How many items were lost because the reader was late."""
        return self._dropped

    def put(self, item: T, *, droppable: bool = True) -> None:
        """Add an item, from any thread. Never waits, never raises.

        After `close`, or when Trio has ended, the item vanishes. What is not
        `droppable` gets through, or ends all: it has to be rare.
        """
        with self._lock:
            if self._closed:
                return
            if droppable and self._droppable == self._limit:
                self._drop_oldest()
            if not droppable and len(self._items) - self._droppable >= MOST_CONTROL:
                self._closed = True
            else:
                self._items.append((item, droppable))
                self._droppable += droppable
                self.peak = max(self.peak, len(self._items))
        self._wake_reader()

    def close(self) -> None:
        """Take no more items, from any thread; what is in can still be received."""
        with self._lock:
            self._closed = True
        self._wake_reader()

    async def receive(self) -> T:
        """Return the next item. If cancelled, no item is lost.

        Raises:
            trio.EndOfChannel: it is closed and empty.
        """
        await trio.lowlevel.checkpoint()
        while True:
            news = self._news = trio.Event()
            with self._lock:
                if self._items:
                    item, droppable = self._items.popleft()
                    self._droppable -= droppable
                    return item
                if self._closed:
                    raise trio.EndOfChannel
            await news.wait()

    def _drop_oldest(self) -> None:
        index = next(i for i, (_, droppable) in enumerate(self._items) if droppable)
        del self._items[index]
        self._droppable -= 1
        self._dropped += 1

    def _wake_reader(self) -> None:
        # Idempotent: a stalled event loop owes one wake-up, however much came in.
        try:
            self._token.run_sync_soon(self._wake, idempotent=True)
        except trio.RunFinishedError:
            self._closed = True

    def _wake(self) -> None:
        self._news.set()
