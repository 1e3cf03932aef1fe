"""All who look after the running agent, and tell how it is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.supervision.board import StatusBoard
from trioagent.supervision.local_socket import answer_at, socket_path
from trioagent.supervision.notify import Notifier, notifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from trioagent.agent import Agent

LOOK_EVERY_S = 1.0


@attrs.define(eq=False)
class Supervision:
    """The board, and the service manager that hears of its changes."""

    board: StatusBoard
    manager: Notifier

    def ready(self, agent: Agent) -> None:
        """The agent listens from now on."""
        self.board.agent = agent
        self.manager.tell(READY="1", STATUS=self._words())

    def leaving(self) -> None:
        """It was asked to end."""
        self.board.leaving = True
        self.manager.tell(STOPPING="1", STATUS=self._words())

    async def look(self) -> None:
        """Tell the service manager of changes, and that we live. Until cancelled."""
        watchdog_s = self.manager.watchdog_s
        every_s = min(LOOK_EVERY_S, watchdog_s / 2 if watchdog_s else LOOK_EVERY_S)
        next_ping = trio.current_time()
        while True:
            self.board.note_link()
            self.manager.tell(STATUS=self._words())
            if watchdog_s and trio.current_time() >= next_ping:
                next_ping = trio.current_time() + watchdog_s / 2
                if self.board.making_progress():
                    self.manager.alive()
            await trio.sleep(every_s)

    def _words(self) -> str:
        board, agent = self.board, self.board.agent
        if agent is None or board.leaving:
            return board.state
        people = len(agent.listening_to)
        return f"{board.state} in {agent.parts.room.address}; {people} there"


@asynccontextmanager
async def supervised(socket: str) -> AsyncIterator[Supervision]:
    """Look after what the block runs; `socket` is `[status] socket`."""
    async with supervised_at(socket_path(socket), notifier()) as supervision:
        yield supervision


@asynccontextmanager
async def supervised_at(
    path: Path | None, manager: Notifier
) -> AsyncIterator[Supervision]:
    """The same, with the socket's path, and whom to tell."""
    supervision = Supervision(StatusBoard(), manager)
    async with trio.open_nursery() as nursery:
        start = nursery.start_soon
        start(supervision.board.lateness.run, name="event loop lateness")
        start(supervision.look, name="service manager")
        if path is not None:
            start(answer_at, path, supervision.board.report, name="status socket")
        yield supervision
        nursery.cancel_scope.cancel("the agent has ended")
