"""The boards of all agents of a process, told as one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from trioagent.supervision.board import StatusBoard
from trioagent.supervision.gauges import LoopLateness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.agent import Agent
    from trioagent.supervision.board import Breakers

# What is told of several is the first of these that one of them is in.
WORST_FIRST = ("leaving", "failed", "starting", "reconnecting", "listening")


@attrs.frozen(eq=False)
class Boards:
    """A board for each agent, by name. One alone has an empty name."""

    by_name: Mapping[str, StatusBoard]
    lateness: LoopLateness

    @classmethod
    def of(cls, names: Sequence[str]) -> Boards:
        """New ones for agents that start."""
        lateness = LoopLateness()
        boards = {name: StatusBoard(lateness=lateness) for name in names}
        return cls(boards, lateness)

    @property
    def first(self) -> StatusBoard:
        """The first one; what is the process's, any of them tells."""
        return next(iter(self.by_name.values()))

    @property
    def state(self) -> str:
        """What they do, the worst of it."""
        states = {board.state for board in self.by_name.values()}
        return next(state for state in WORST_FIRST if state in states)

    @property
    def words(self) -> str:
        """In a few words, for the service manager."""
        agents = [board.agent for board in self.by_name.values()]
        if None in agents or self.state in ("leaving", "starting"):
            return self.state
        people = sum(len(agent.listening_to) for agent in agents if agent)
        if len(agents) == 1:
            return f"{self.state} in {_address(agents[0])}; {people} there"
        states = [board.state for board in self.by_name.values()]
        here = states.count("listening")
        return f"{here} of {len(agents)} agents listening; {people} there"

    def watch(self, breakers: Breakers) -> None:
        """Tell of these breakers, too."""
        for board in self.by_name.values():
            board.breakers = breakers

    def leave(self) -> None:
        """All were asked to end."""
        for board in self.by_name.values():
            board.leaving = True

    def note_links(self) -> None:
        """Look whether rooms were lost since the last call."""
        for board in self.by_name.values():
            board.note_link()

    def making_progress(self) -> bool:
        """Whether each takes its room's events. Asked now and then, by the watchdog."""
        # All are asked, also after a stuck one: they compare with the last look.
        stuck = [b for b in self.by_name.values() if not b.making_progress()]
        return not stuck

    def report(self) -> dict[str, object]:
        """All of it, for JSON; of several, under `agents`, with their names."""
        if len(self.by_name) == 1:
            return self.first.report()
        problems = [
            f"{name}: {problem}"
            for name, board in self.by_name.items()
            for problem in board.problems_of_agent()
        ]
        problems += self.first.problems_of_process()
        agents = [
            {"agent": name, "state": board.state, **board.told_of_agent()}
            for name, board in self.by_name.items()
        ]
        return {
            **self.first.told(problems, self.state),
            "agents": agents,
            **self.first.told_of_parts(),
        }


def _address(agent: Agent | None) -> str:
    return "" if agent is None else agent.parts.room.address
