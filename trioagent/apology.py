"""An apology in writing, for when there is no voice to say it with."""

from __future__ import annotations

import logging

import attrs
import trio

from trioagent.errors import RoomError
from trioagent.interfaces import Room
from trioagent.outcome import Failed, Ignored, Outcome

# A server that takes longer for a line of text is not worth waiting for.
WRITE_S = 5.0

_log = logging.getLogger(__name__)


@attrs.define(eq=False)
class WrittenApology:
    """Writes `text` into the channel when a turn failed and nothing of it was heard.

    Once per outage: that ends when a reply is heard again.
    """

    room: Room
    text: str
    _written: bool = False

    async def after(self, outcome: Outcome, *, reachable: bool) -> None:
        """A turn ended; `reachable` is whether the room is. Takes `WRITE_S` at most."""
        if isinstance(outcome, Ignored):
            return
        if outcome.heard:
            self._written = False
        if not isinstance(outcome, Failed) or outcome.heard or self._written:
            return
        if self.text and reachable:
            self._written = True
            await self._write()

    async def _write(self) -> None:
        with trio.move_on_after(WRITE_S) as waiting:
            try:
                await self.room.send_text(self.text)
            except RoomError as error:
                _log.warning("the apology could not be written: %s", error)
        if waiting.cancelled_caught:
            _log.warning("the apology was not written within %g s", WRITE_S)
