"""`trioagent --config FILE`: join the room and talk."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Sequence
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.app import Fleet
from trioagent.cli.arguments import agent_configs_of
from trioagent.guards.board import Guards
from trioagent.journal.events import Observer
from trioagent.journal.latency import metrics
from trioagent.members import Member, members_of
from trioagent.shutdown import until_signal
from trioagent.supervision.logs import set_up_log
from trioagent.supervision.supervise import Supervision, supervised
from trioagent.visible import json_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from trioagent.agent import Agent
    from trioagent.config import Config
    from trioagent.journal.events import Event, TurnJournal

log = logging.getLogger(__name__)


def run(given: argparse.Namespace) -> int:
    """Run the agents until a signal comes; 1 if one of several has failed."""
    members = members_of(_configs(given))
    set_up_log(members[0].config.journal.log_format, given.log_level.upper())
    if given.config is None:
        log.info("no --config FILE: every key has its default")
    with _watching() if given.watch else nullcontext() as watching:
        running = _Run(members, watching, as_json=given.json)
        status = trio.run(until_signal, running.main, running.finish)
    return status or int(running.one_failed)


def _configs(given: argparse.Namespace) -> list[Config]:
    configs = agent_configs_of(given)
    if given.record is None:
        return list(configs)
    folder = str(given.record)
    return [
        attrs.evolve(config, recording=attrs.evolve(config.recording, folder=folder))
        for config in configs
    ]


@attrs.define(eq=False)
class _Run:
    """The agents' life as a process: looked after, and ended as configured.

    An `Audience` of theirs.
    """

    members: Sequence[Member]
    watching: Callable[[str], Observer] | None
    """Makes an observer of an agent's turns."""
    as_json: bool
    supervision: Supervision | None = None
    fleet: Fleet | None = None
    one_failed: bool = False

    async def main(self) -> None:
        """Start the agents and stay until they end."""
        # The same for all.
        socket = self.members[0].config.status.socket
        names = [member.name for member in self.members]
        async with supervised(socket, names) as self.supervision:
            guards = Guards(self.members[0].config)
            self.supervision.boards.watch(lambda: guards.states)
            self.fleet = Fleet(self.members, self, guards)
            await self.fleet.run()

    def observers(self, member: Member) -> Sequence[Observer]:
        """Those of one agent's turns."""
        found: list[Observer] = []
        if self.as_json:
            found.append(partial(_print_turn, member.name))
        if self.watching is not None:
            found.append(self.watching(member.name))
        if self.supervision is not None:
            found.append(self.supervision.boards.by_name[member.name])
        return found

    def ready(self, member: Member, agent: Agent) -> None:
        """It is in its room."""
        room = agent.parts.room
        log.info(
            "%s listens in %s: join with any Mumble client", room.name, room.address
        )
        if self.supervision is not None:
            self.supervision.ready(agent, member.name)
        if self.as_json:
            _print(event="ready", name=room.name, address=room.address)
        # What is there now stays. To look through it for garbage takes 40 ms: too long
        # while somebody is answered.
        gc.collect()
        gc.freeze()

    def failed(self, member: Member, reason: str) -> None:
        """It has ended; the others go on."""
        self.one_failed = True
        if self.supervision is not None:
            self.supervision.failed(member.name, reason)
        if self.as_json:
            _print(event="failed", agent=member.name, error=reason)

    async def finish(self) -> None:
        """A signal came: what is to be done before all is cancelled."""
        if self.supervision is not None:
            self.supervision.leaving()
        wait = any(m.config.agent.on_stop == "finish" for m in self.members)
        if self.fleet is not None and wait:
            await self.fleet.leave()
        else:
            await trio.lowlevel.checkpoint()


@contextmanager
def _watching() -> Iterator[Callable[[str], Observer]]:
    from trioagent.cli.watch import Watch  # noqa: PLC0415 - slow to import

    watch = Watch()
    with watch.shown():
        yield watch.of


def _print_turn(agent: str, journal: TurnJournal, event: Event) -> None:
    if event.name == "outcome":
        _print(
            event="turn",
            **({"agent": agent} if agent else {}),
            turn=journal.number,
            speaker=journal.speaker,
            outcome=event.data["kind"],
            **metrics(journal.events),
        )


def _print(**row: object) -> None:
    print(json_line(row), flush=True)  # noqa: T201 - --json
