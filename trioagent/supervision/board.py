"""The status board: how the agent is, in one JSON object, when somebody asks.

It observes and reads gauges; nothing waits for it and nothing is decided by it, but
whether the service manager may go on thinking that we live.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib import metadata
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.agent import Agent
from trioagent.supervision.gauges import LoopLateness, process_figures
from trioagent.supervision.turns import Turns

if TYPE_CHECKING:
    from trioagent.journal.events import Event, TurnJournal

# A loop that was later than this lately is worth telling somebody.
LATE_S = 1.0

Breakers = Callable[[], Mapping[str, str]]


def _no_breakers() -> Mapping[str, str]:
    return {}


@attrs.define(eq=False)
class StatusBoard:
    """An observer of one agent.

    Attributes:
        agent: Whose status it is; None while it starts.
        leaving: Whether it was asked to end.
        failed: Why it has ended, if it did by itself; empty otherwise.
        breakers: Tells of each provider whether it is asked at all: "closed" is well.
    """

    agent: Agent | None = None
    leaving: bool = False
    failed: str = ""
    breakers: Breakers = _no_breakers
    turns: Turns = attrs.Factory(Turns)
    lateness: LoopLateness = attrs.Factory(LoopLateness)
    _started: float = attrs.Factory(trio.current_time)
    # Read once: it takes some milliseconds.
    _version: str = attrs.Factory(lambda: metadata.version("trioagent"))
    _lost: str = ""
    _stuck_at: int | None = None
    """How many events the agent had taken when some waited, at the last look."""

    def __call__(self, journal: TurnJournal, event: Event) -> None:
        """Take an event of a turn."""
        self.turns(journal, event)

    @property
    def state(self) -> str:
        """What it does: starting, listening, reconnecting, leaving or failed."""
        if self.failed:
            return "failed"
        if self.leaving:
            return "leaving"
        if self.agent is None:
            return "starting"
        return "reconnecting" if self.agent.link_lost else "listening"

    def problems(self) -> list[str]:
        """What is not as it should be, for people."""
        return self.problems_of_agent() + self.problems_of_process()

    def problems_of_agent(self) -> list[str]:
        """Those that concern this agent alone."""
        if self.failed:
            return [f"it has failed: {self.failed}"]
        found = []
        if self.state != "listening":
            found.append(f"it is {self.state}")
        if self.agent is not None and self.agent.link_lost:
            found.append(f"lost the room: {self.agent.link_lost}")
        return found

    def problems_of_process(self) -> list[str]:
        """Those that concern all agents of the process."""
        found = [
            f"{name} is not asked: its breaker is {state}"
            for name, state in self.breakers().items()
            if state == "open"
        ]
        if self.lateness.recent_s > LATE_S:
            found.append(f"the event loop was {self.lateness.recent_s:.1f} s late")
        return found

    def making_progress(self) -> bool:
        """Whether the room's events are taken: asked now and then, by the watchdog.

        False only if some waited at the last call, too, and none was taken since. Of
        an agent that has failed, nobody takes them; the others go on.
        """
        agent = self.agent
        if agent is None or self.failed or not room_queue(agent).get("inbox_waiting"):
            self._stuck_at = None
            return True
        stuck = self._stuck_at == agent.taken
        self._stuck_at = agent.taken
        return not stuck

    def note_link(self) -> None:
        """Look whether the room was lost since the last call; that is an error, too."""
        lost = self.agent.link_lost if self.agent is not None else ""
        if lost and not self._lost:
            self.turns.went_wrong(f"lost the room: {lost}")
        self._lost = lost

    def report(self) -> dict[str, object]:
        """All of it, for JSON. No secrets, and nothing of what was said."""
        return {
            **self.told(self.problems(), self.state),
            **self.told_of_agent(),
            **self.told_of_parts(),
        }

    def told(self, problems: Sequence[str], state: str) -> dict[str, object]:
        """The head of a report."""
        return {
            "healthy": not problems,
            "problems": list(problems),
            "state": state,
            "version": self._version,
            "pid": os.getpid(),
            "uptime_s": round(trio.current_time() - self._started, 1),
        }

    def told_of_agent(self) -> dict[str, object]:
        """What a report says of the agent."""
        agent, turns = self.agent, self.turns
        self.note_link()
        return {
            "room": None if agent is None else agent.parts.room.address,
            "speakers": [] if agent is None else speakers(agent),
            "floor": turns.floor(),
            "turns": turns.running(),
            "outcomes": dict(turns.outcomes),
            "latency": turns.latencies(),
            "errors": turns.last_errors(),
            "queues": {
                "peaks": turns.queue_peaks(),
                "room": {} if agent is None else room_queue(agent),
                "ears_dropped": 0 if agent is None else agent.dropped,
                "ears_peak": 0 if agent is None else agent.ears_peak,
            },
        }

    def told_of_parts(self) -> dict[str, object]:
        """What a report says of the process and its providers."""
        return {
            "breakers": dict(self.breakers()),
            "process": process_figures(),
            "loop": self.lateness.told(),
        }


def speakers(agent: Agent) -> list[dict[str, object]]:
    """Those in the channel, and whether they are talking."""
    return [
        {"name": ear.speaker.name, "talking": ear.talking} for ear in agent.listening_to
    ]


def room_queue(agent: Agent) -> dict[str, object]:
    """What the room tells of its queue, or at least how many events wait in it."""
    room = agent.parts.room
    figures = dict(getattr(room, "figures", {}))
    statistics = getattr(room.events, "statistics", None)
    if statistics is not None:
        figures.setdefault("inbox_waiting", statistics().current_buffer_used)
    figures["taken"] = agent.taken
    return figures
