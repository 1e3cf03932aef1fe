"""Utterances: from their ear to whoever listens."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol, Self

import attrs
import trio

from trioagent.interfaces import Pcm

if TYPE_CHECKING:
    from types import TracebackType

# An ear opens one when the one before was heard out: more than two cannot wait.
AHEAD = 4
# So many of the oldest packets go at a time when there is no room: one gap, not many.
CLEARED_PACKETS = 50


@attrs.frozen(eq=False)
class HeardAudio:
    """A packet of an utterance, and whether it holds speech."""

    pcm: Pcm
    speech: bool
    ends_talk: bool
    time: float
    dropped: int = 0
    """How many older packets went to make room for it."""
    late_s: float = 0.0
    """How long it waited for the ear: the agent is so much behind."""


class Listener(Protocol):
    """Whoever listens to an utterance."""

    def hear(self, audio: HeardAudio) -> None:
        """Take the next packet."""
        ...

    def left(self) -> None:
        """The speaker left: no more packets will come."""
        ...


@attrs.define(eq=False)
class Utterance:
    """What a speaker says from an onset on, until its listener has heard enough.

    Packets wait while nobody listens. Then each goes to the listener in the very step
    in which it came, at no task's cost.

    Attributes:
        size: How many packets may wait; then the oldest audio goes, but no end of talk.
        closed: Whether its listener has heard enough.
        peak: The most packets that ever waited.
    """

    size: int
    closed: bool = False
    peak: int = 0
    _left: bool = False
    _waiting: deque[HeardAudio] = attrs.Factory(deque)
    _listener: Listener | None = None

    def put(self, audio: HeardAudio) -> int:
        """The next packet; return how many others were dropped to make room for it."""
        if self._listener is not None:
            self._listener.hear(audio)
            return 0
        gone = self._make_room() if len(self._waiting) >= self.size else []
        if gone:
            dropped = len(gone) + sum(packet.dropped for packet in gone)
            audio = attrs.evolve(audio, dropped=dropped)
        self._waiting.append(audio)
        self.peak = max(self.peak, len(self._waiting))
        return len(gone)

    def leave(self) -> None:
        """The speaker left: it ends here."""
        self._left = True
        if self._listener is not None:
            self._listener.left()

    def show_to(self, listener: Listener) -> None:
        """From now on, `listener` hears it: at once what waits already."""
        self._listener = listener
        while self._waiting:
            listener.hear(self._waiting.popleft())
        if self._left:
            listener.left()

    def receive_nowait(self) -> HeardAudio:
        """The oldest packet that waits.

        Raises:
            trio.EndOfChannel: the speaker left, and that was all.
            trio.WouldBlock: none waits.
        """
        if self._waiting:
            return self._waiting.popleft()
        raise trio.EndOfChannel if self._left else trio.WouldBlock

    def close(self) -> None:
        """Enough was heard: its ear learns of it at the next packet."""
        self.closed = True
        self._listener = None
        self._waiting.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _make_room(self) -> list[HeardAudio]:
        """Take out the oldest audio that waits, but no end of talk."""
        audio = [packet for packet in self._waiting if not packet.ends_talk]
        # Of a peer that sends nothing but ends of talk, one is as good as the other.
        gone = (audio or list(self._waiting))[:CLEARED_PACKETS]
        those = set(gone)
        kept = [packet for packet in self._waiting if packet not in those]
        self._waiting = deque(kept)
        return gone


@attrs.define(eq=False)
class Utterances:
    """One turn's, in the order in which they began; `to_hear` is the listener's end."""

    to_hear: trio.MemoryReceiveChannel[Utterance] = attrs.field(init=False)
    _begun: trio.MemorySendChannel[Utterance] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._begun, self.to_hear = trio.open_memory_channel(AHEAD)

    def put(self, utterance: Utterance) -> bool:
        """One begins; False if too many wait, and nobody listens to this one."""
        try:
            self._begun.send_nowait(utterance)
        except trio.WouldBlock:
            utterance.close()
            return False
        return True

    def close(self) -> None:
        """Nobody listens any more: the ears of those that nobody took learn of it."""
        self._begun.close()
        while True:
            try:
                self.to_hear.receive_nowait().close()
            except (trio.WouldBlock, trio.EndOfChannel):
                break
        self.to_hear.close()
