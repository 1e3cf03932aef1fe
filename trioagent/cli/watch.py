"""`trioagent --watch`: the turns as they go, on a terminal. An observer of journals."""

from __future__ import annotations

import logging
import sys
from collections import deque
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from trioagent.journal.latency import metrics
from trioagent.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.journal.events import Event, Observer, TurnJournal

SHOWN = 8
# Drawn in a thread of its own; more often would take the agent's time.
PER_SECOND = 5

STATES = {
    "speech_started": "listening",
    "speech_resumed": "listening",
    "draft_started": "thinking",
    "buffered": "ready",
    "first_frame": "speaking",
    "ducked": "holding",
    "restored": "speaking",
    "interrupted": "interrupted",
}


@attrs.define
class _Shown:
    """What is known of a turn."""

    number: int
    speaker: str
    state: str = ""
    said: str = ""
    reply: str = ""
    agent: str = ""
    ttfa: str = ""
    _phrases: dict[int, list[str]] = attrs.Factory(dict)

    def take(self, journal: TurnJournal, event: Event) -> None:
        data = event.data
        self.state = STATES.get(event.name, self.state)
        match event.name:
            case "partial" | "final":
                self.said = data["text"]
            case "phrase":
                self._phrases.setdefault(data["draft"], []).append(data["text"])
            case "first_frame":
                self.reply = " ".join(self._phrases.get(data["draft"], []))
                ttfa_ms = metrics(journal.events)["total_ttfa_ms"]
                self.ttfa = "" if ttfa_ms is None else f"{ttfa_ms:.0f} ms"
            case "outcome":
                self.state, self.reply = data["kind"], data["heard"]


@attrs.define(eq=False)
class Watch:
    """A table of the last turns. What it costs, it costs the screen's thread."""

    _turns: deque[_Shown] = attrs.Factory(lambda: deque(maxlen=SHOWN))

    def __call__(self, journal: TurnJournal, event: Event, agent: str = "") -> None:
        """Take an event of a turn; of whose, where there are several agents."""
        which = agent, journal.number
        shown = next((x for x in self._turns if (x.agent, x.number) == which), None)
        if shown is None:
            shown = _Shown(journal.number, journal.speaker, agent=agent)
            self._turns.append(shown)
        shown.take(journal, event)

    def of(self, agent: str) -> Observer:
        """An observer of one agent's turns."""
        return partial(self, agent=agent)

    def __rich__(self) -> Table:
        """The table as it is now."""
        table = Table(box=None, expand=True, pad_edge=False)
        table.add_column("turn", justify="right", style="dim")
        table.add_column("who", max_width=16, no_wrap=True)
        table.add_column("", width=11)
        table.add_column("said", ratio=1)
        table.add_column("heard of the reply", ratio=1)
        table.add_column("TTFA", justify="right", min_width=7)
        turns = tuple(self._turns)
        several = any(turn.agent for turn in turns)
        if several:
            table.add_column("agent", max_width=16, no_wrap=True)
        for turn in turns:
            # As text, without controls: what people say is neither markup nor command.
            said = (turn.speaker, turn.state, turn.said, turn.reply)
            shown = (Text(visible_line(text)) for text in said)
            whose = [Text(visible_line(turn.agent))] if several else []
            table.add_row(str(turn.number), *shown, turn.ttfa, *whose)
        return table

    @contextmanager
    def shown(self, console: Console | None = None) -> Iterator[None]:
        """Show it at the bottom of the terminal; logs scroll above it."""
        console = console or Console(stderr=True)
        live = Live(self, console=console, refresh_per_second=PER_SECOND)
        with live, logs_above():
            yield


@contextmanager
def logs_above() -> Iterator[None]:
    """Let the log go through what `Live` has put in the place of stderr."""
    plain = sys.__stderr__
    handlers = [
        handler
        for handler in logging.getLogger().handlers
        if isinstance(handler, logging.StreamHandler) and handler.stream is plain
    ]
    for handler in handlers:
        handler.setStream(sys.stderr)
    try:
        yield
    finally:
        for handler in handlers:
            handler.setStream(plain)
