"""All who look after the running agent, and tell how it is."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.supervision.boards import Boards
from trioagent.supervision.local_socket import answer_at, socket_path
from trioagent.supervision.notify import Notifier, notifier

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from trioagent.agent import Agent

LOOK_EVERY_S = 1.0


@attrs.define(eq=False)
class Supervision:
    """The boards, and the service manager that hears of their changes."""

    boards: Boards
    manager: Notifier

    def ready(self, agent: Agent, name: str = "") -> None:
        """This agent listens from now on; we are ready when all do."""
        self.boards.by_name[name].agent = agent
        if all(board.agent is not None for board in self.boards.by_name.values()):
            self.manager.tell(READY="1", STATUS=self.boards.words)

    def failed(self, name: str, reason: str) -> None:
        """This agent has ended; the others go on."""
        board = self.boards.by_name[name]
        board.failed = reason
        board.turns.went_wrong(reason)

    def leaving(self) -> None:
        """They were asked to end."""
        self.boards.leave()
        self.manager.tell(STOPPING="1", STATUS=self.boards.words)

    async def look(self) -> None:
        """Tell the service manager of changes, and that we live. Until cancelled."""
        watchdog_s = self.manager.watchdog_s
        every_s = min(LOOK_EVERY_S, watchdog_s / 2 if watchdog_s else LOOK_EVERY_S)
        next_ping = trio.current_time()
        while True:
            self.boards.note_links()
            self.manager.tell(STATUS=self.boards.words)
            if watchdog_s and trio.current_time() >= next_ping:
                next_ping = trio.current_time() + watchdog_s / 2
                if self.boards.making_progress():
                    self.manager.alive()
            await trio.sleep(every_s)


@asynccontextmanager
async def supervised(
    socket: str, names: Sequence[str] = ("",)
) -> AsyncIterator[Supervision]:
    """Look after what the block runs; `socket` is `[status] socket`.

    Args:
        socket: Where to answer who asks.
        names: Of the agents; one alone needs none.
    """
    async with supervised_at(socket_path(socket), notifier(), names) as supervision:
        yield supervision


@asynccontextmanager
async def supervised_at(
    path: Path | None, manager: Notifier, names: Sequence[str] = ("",)
) -> AsyncIterator[Supervision]:
    """The same, with the socket's path, and whom to tell."""
    boards = Boards.of(names)
    supervision = Supervision(boards, manager)
    async with trio.open_nursery() as nursery:
        start = nursery.start_soon
        start(boards.lateness.run, name="event loop lateness")
        start(supervision.look, name="service manager")
        if path is not None:
            start(answer_at, path, boards.report, name="status socket")
        yield supervision
        nursery.cancel_scope.cancel("the agent has ended")
