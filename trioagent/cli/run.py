"""`trioagent --config FILE`: join the room and talk."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.agent import Agent
from trioagent.app import run_agent
from trioagent.cli.arguments import config_of
from trioagent.config import Config
from trioagent.guards.board import Guards
from trioagent.journal.events import Observer
from trioagent.journal.latency import metrics
from trioagent.shutdown import until_signal
from trioagent.supervision.logs import set_up_log
from trioagent.supervision.supervise import Supervision, supervised

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from trioagent.journal.events import Event, TurnJournal

log = logging.getLogger(__name__)


def run(given: argparse.Namespace) -> int:
    """Run the agent until a signal comes."""
    config = _config(given)
    set_up_log(config.journal.log_format, given.log_level.upper())
    if given.config is None:
        log.info("no --config FILE: every key has its default")
    observers: list[Observer] = [_print_turn] if given.json else []
    with _watching(observers) if given.watch else nullcontext():
        running = _Run(config, observers, as_json=given.json)
        return trio.run(until_signal, running.main, running.finish)


def _config(given: argparse.Namespace) -> Config:
    config = config_of(given)
    if given.record is None:
        return config
    recording = attrs.evolve(config.recording, folder=str(given.record))
    return attrs.evolve(config, recording=recording)


@attrs.define(eq=False)
class _Run:
    """The agent's life as a process: looked after, and ended as configured."""

    config: Config
    observers: Sequence[Observer]
    as_json: bool
    supervision: Supervision | None = None
    agent: Agent | None = None

    async def main(self) -> None:
        """Start the agent and stay until it ends."""
        async with supervised(self.config.status.socket) as self.supervision:
            board, guards = self.supervision.board, Guards(self.config)
            board.breakers = lambda: guards.states
            observers: list[Observer] = [*self.observers, board]
            await run_agent(self.config, observers, self.ready, guards)

    def ready(self, agent: Agent) -> None:
        """It is in its room."""
        self.agent, room = agent, agent.parts.room
        log.info(
            "%s listens in %s: join with any Mumble client", room.name, room.address
        )
        if self.supervision is not None:
            self.supervision.ready(agent)
        if self.as_json:
            _print(event="ready", name=room.name, address=room.address)

    async def finish(self) -> None:
        """A signal came: what is to be done before all is cancelled."""
        if self.supervision is not None:
            self.supervision.leaving()
        if self.agent is not None and self.config.agent.on_stop == "finish":
            await self.agent.leave()
        else:
            await trio.lowlevel.checkpoint()


@contextmanager
def _watching(observers: list[Observer]) -> Iterator[None]:
    from trioagent.cli.watch import Watch  # noqa: PLC0415 - slow to import

    watch = Watch()
    observers.append(watch)
    with watch.shown():
        yield


def _print_turn(journal: TurnJournal, event: Event) -> None:
    if event.name == "outcome":
        _print(
            event="turn",
            turn=journal.number,
            speaker=journal.speaker,
            outcome=event.data["kind"],
            **metrics(journal.events),
        )


def _print(**row: object) -> None:
    print(json.dumps(row, ensure_ascii=False), flush=True)  # noqa: T201 - --json
