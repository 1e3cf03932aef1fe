"""What one client sends, within limits; questions about us are answered here."""

from __future__ import annotations

import attrs
import trio

from trioagent.wyoming.connection import Connection, LostConnection
from trioagent.wyoming.framing import Event, Limits


class Refused(Exception):
    """The client asked for something that we do not do. Its connection is closed."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


@attrs.frozen(kw_only=True)
class ClientLimits:
    """What clients may use."""

    connections: int = 64
    """Open at a time, over all clients."""
    idle_s: float = 300.0
    """A connection on which nothing happens for so long is closed."""
    utterance_s: float = 120.0
    """The longest utterance."""
    text_chars: int = 20_000
    """The longest text that is spoken at once."""
    # A second of 48 kHz stereo is 192 KB.
    frames: Limits = attrs.Factory(
        lambda: Limits(line=1 << 16, data=1 << 17, payload=1 << 20)
    )


@attrs.define(eq=False)
class Inbox:
    """The events of one client, in order.

    `describe` and `ping` are answered when their turn comes, so that a pong tells that
    all that was sent before it has been worked on.
    """

    connection: Connection
    info: Event
    limits: ClientLimits
    busy: int = 0
    """How many of the client's requests are worked on: it may well be silent."""
    _next: Event | None = None

    async def receive(self) -> Event:
        """Wait for the next event that is meant for a model.

        Raises:
            Refused: nothing came for too long.
            LostConnection: the client has closed, in good order or not.
            BadFrame: what came is no frame.
        """
        while True:
            event = await self._receive()
            if event.type == "describe":
                await self.send(self.info)
            elif event.type == "ping":
                # With whatever the ping said.
                await self.send(Event("pong", event.data))
            else:
                return event

    def more(self, kind: str) -> list[Event]:
        """The next events as far as they are here already and of this kind."""
        events: list[Event] = []
        while True:
            event = self._next or self.connection.receive_nowait()
            self._next = None
            if event is None:
                return events
            if event.type != kind:
                self._next = event
                return events
            events.append(event)

    def put_back(self, event: Event) -> None:
        """Let `receive` give this event again."""
        self._next = event

    async def send(self, *events: Event) -> None:
        """Send events to the client.

        Raises:
            Refused: it took nothing for too long.
            LostConnection: it is gone.
        """
        try:
            with trio.fail_after(self.limits.idle_s):
                await self.connection.send(*events)
        except trio.TooSlowError:
            raise self._idle() from None

    async def _receive(self) -> Event:
        event, self._next = self._next, None
        if event is not None:
            return event
        while True:
            with trio.move_on_after(self.limits.idle_s):
                event = await self.connection.receive()
                if event is None:
                    raise LostConnection("it closed the connection")
                return event
            if not self.busy:
                raise self._idle()

    def _idle(self) -> Refused:
        return Refused("idle", f"nothing happened for {self.limits.idle_s:g} s")
