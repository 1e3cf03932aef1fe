"""The agent of one cell, and what its journal says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import trio

from tests.e2e.faults.remains import RUNNING
from trioagent import app
from trioagent.agent import Agent
from trioagent.config import Config
from trioagent.journal.events import Event

if TYPE_CHECKING:
    from trioagent.interfaces import Room
    from trioagent.journal.events import TurnJournal


@attrs.define(eq=False)
class Witness:
    """Runs an agent as `trioagent` does, and watches it."""

    config: Config
    ready: trio.Event = attrs.Factory(trio.Event)
    events: list[tuple[int, Event]] = attrs.Factory(list)
    agent: Agent | None = None
    failure: BaseException | None = None
    _changed: trio.Event = attrs.Factory(trio.Event)

    async def run(self) -> None:
        """Be the agent until cancelled; if it fails, that is found in `failure`."""

        def on_ready(_room: Room) -> None:
            self.ready.set()

        await trio.lowlevel.checkpoint()
        try:
            MADE[RUNNING.get()] = self
            await app.run_agent(self.config, [self], on_ready)
        except Exception as error:  # noqa: BLE001 - the cell tells of it
            self.failure = error
            self.ready.set()

    def __call__(self, journal: TurnJournal, event: Event) -> None:
        """Take an event."""
        self.events.append((journal.number, event))
        self._changed.set()
        self._changed = trio.Event()

    def named(self, name: str) -> list[dict[str, Any]]:
        """What is known of all events of this name so far."""
        return [event.data for _, event in self.events if event.name == name]

    async def until(self, name: str, count: int, timeout_s: float) -> bool:
        """Whether there are so many events of this name, within `timeout_s`."""
        with trio.move_on_after(timeout_s):
            await trio.lowlevel.checkpoint()
            while len(self.named(name)) < count:
                await self._changed.wait()
        return len(self.named(name)) >= count


MADE: dict[str, Witness] = {}
"""The witnesses of this process, by the name of their cell."""


def watch_agents() -> None:
    """Let each witness see the agent that is made for it."""

    def make(*given: Any, **more: Any) -> Agent:
        agent = Agent(*given, **more)
        MADE[RUNNING.get()].agent = agent
        return agent

    app.Agent = make  # type: ignore[misc, assignment]
