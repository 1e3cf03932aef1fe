"""Log lines for people or for machines; each knows its turn, and of several its agent.

A record is one line, whatever names and messages hold: what cannot be printed is
escaped. Only a traceback has lines of its own in the text format, each after a bar.
"""

from __future__ import annotations

import datetime
import logging
import re
import sys
from typing import TYPE_CHECKING, Literal, TextIO

from trioagent.journal.events import CURRENT_AGENT, CURRENT_TURN
from trioagent.visible import json_line, visible, visible_line

if TYPE_CHECKING:
    from collections.abc import Mapping

Format = Literal["text", "json"]

BAR = "  | "
_HINT = re.compile(r"\n +")


def set_up_log(format_: Format = "text", level: str = "INFO") -> None:
    """Write the log to stderr in this format, also if we wrote it in another one.

    Does nothing where somebody else has set up the log.
    """
    root = logging.getLogger()
    for before in tuple(root.handlers):
        if isinstance(before.formatter, TextLines | JsonLines):
            root.removeHandler(before)
    handler: logging.StreamHandler[TextIO] = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines() if format_ == "json" else TextLines())
    logging.basicConfig(handlers=[handler], level=level)


class TextLines(logging.Formatter):
    """`20:04:28.123 WARNING trioagent.agent: turn 7: what happened`.

    Where there are several agents: `…: Robo turn 7: what happened`.
    """

    def __init__(self) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S"
        )

    def format(self, record: logging.LogRecord) -> str:
        """The record in one line, and its traceback in as many as it takes."""
        message, turn = in_one_line(record.getMessage()), turn_of(record)
        # The line on a turn's outcome begins with it.
        if turn is not None and not message.startswith(f"turn {turn} "):
            message = f"turn {turn}: {message}"
        if agent := agent_of(record):
            joint = " " if turn is not None else ": "
            message = f"{in_one_line(agent)}{joint}{message}"
        record.message = message
        record.asctime = self.formatTime(record, self.datefmt)
        lines = [self.formatMessage(record)]
        # `splitlines` would take more characters than "\n" for an end.
        lines += [visible(line) for line in traceback_of(self, record).split("\n")]
        return f"\n{BAR}".join(filter(None, lines))


class JsonLines(logging.Formatter):
    """One JSON object per line.

    Keys: `time` (ISO 8601, UTC), `level`, `logger`, `message`; `turn` if it belongs to
    one; `agent` if there are several; `traceback` if there is one.
    """

    def format(self, record: logging.LogRecord) -> str:
        """The record as an object."""
        time = datetime.datetime.fromtimestamp(record.created, datetime.UTC)
        row: dict[str, object] = {
            "time": time.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (turn := turn_of(record)) is not None:
            row["turn"] = turn
        if agent := agent_of(record):
            row["agent"] = agent
        if traceback := traceback_of(self, record):
            row["traceback"] = traceback
        return json_line(row)


def turn_of(record: logging.LogRecord) -> int | None:
    """The number of the turn in whose task, or thread, this was logged.

    Whoever logs outside may name it: `log.warning(…, extra={"turn": 7})`.
    """
    named: Mapping[str, object] = record.__dict__
    turn = named.get("turn")
    if isinstance(turn, int):
        return turn
    journal = CURRENT_TURN.get(None)
    return None if journal is None else journal.number


def agent_of(record: logging.LogRecord) -> str:
    """The name of the agent in whose task this was logged; empty if it is alone.

    Whoever logs outside may name it: `log.warning(…, extra={"agent": "Robo"})`.
    """
    named: Mapping[str, object] = record.__dict__
    agent = named.get("agent")
    return agent if isinstance(agent, str) else CURRENT_AGENT.get("")


def traceback_of(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback that belongs to the record, if any, in several lines."""
    if record.exc_info and not record.exc_text:
        record.exc_text = formatter.formatException(record.exc_info)
    stack = formatter.formatStack(record.stack_info) if record.stack_info else ""
    return "\n".join(filter(None, (record.exc_text, stack)))


def in_one_line(text: str) -> str:
    """`text` without line ends and control characters.

    An error's hint, which stands in a line of its own, follows after a bar.
    """
    return visible_line(_HINT.sub(" | ", text))
