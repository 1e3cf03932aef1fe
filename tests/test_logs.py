"""Lines of the log: one per record, with the turn they belong to."""

from __future__ import annotations

import json
import logging
import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
import trio

from trioagent.journal.events import CURRENT_TURN, TurnJournal
from trioagent.supervision.logs import JsonLines, TextLines, set_up_log

if TYPE_CHECKING:
    from collections.abc import Iterator

HOSTILE = "Eve\x1b[2J\n12:00:00.000 INFO trioagent: turn 1 forged\u2028\u202e\x9b"


@pytest.fixture
def root_logger() -> Iterator[logging.Logger]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield root
    for handler in list(root.handlers):
        root.removeHandler(handler)
    for handler in before:
        root.addHandler(handler)
    root.setLevel(level)


def bare(root: logging.Logger) -> None:
    """As in a process of its own: pytest has handlers there while a test runs."""
    for handler in list(root.handlers):
        root.removeHandler(handler)


def record(message: str, *arguments: object, **more: Any) -> logging.LogRecord:
    made = logging.LogRecord(
        "trioagent.agent", logging.WARNING, __file__, 1, message, arguments, None
    )
    made.__dict__.update(more)
    return made


def failed(message: str) -> logging.LogRecord:
    made = record("it failed")
    try:
        int(message)
    except ValueError:
        made.exc_info = sys.exc_info()
    return made


def test_text_has_time_level_logger_and_message() -> None:
    line = TextLines().format(record("lost %s", "it"))
    assert re.fullmatch(
        r"\d\d:\d\d:\d\d\.\d{3} WARNING trioagent\.agent: lost it", line
    )


def test_json_has_the_same_as_fields() -> None:
    row = json.loads(JsonLines().format(record("lost %s", "it")))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+\+00:00", row.pop("time"))
    assert row == {
        "level": "warning",
        "logger": "trioagent.agent",
        "message": "lost it",
    }


def test_whatever_a_message_holds_it_is_one_line() -> None:
    text = TextLines().format(record("%s joined", HOSTILE))
    assert len(text.splitlines()) == 1
    assert text.isprintable()
    assert "\\x1b[2J\\n12:00:00.000" in text
    object_ = JsonLines().format(record("%s joined", HOSTILE))
    assert object_.isprintable()
    assert json.loads(object_)["message"] == f"{HOSTILE} joined"


def test_the_hint_of_an_error_stays_readable() -> None:
    line = TextLines().format(record("no model\n  get one: trioagent models"))
    assert line.endswith("no model | get one: trioagent models")


def test_a_traceback_is_a_field_or_lines_that_look_like_no_record() -> None:
    row = json.loads(JsonLines().format(failed("broken\x1b")))
    assert row["message"] == "it failed"
    assert row["traceback"].startswith("Traceback (most recent call last)")
    assert row["traceback"].endswith("with base 10: 'broken\\x1b'")
    first, *rest = TextLines().format(failed(f"broken {HOSTILE}")).split("\n")
    assert first.endswith("it failed")
    assert rest
    assert all(line.startswith("  | ") and line.isprintable() for line in rest)
    made = record("it failed")
    made.exc_text = f"first\n{HOSTILE}"
    assert "\x1b" not in TextLines().format(made)


@pytest.fixture
def turn_7() -> Iterator[None]:
    journal = TurnJournal(7, "Ana", "", started=0.0)
    token = CURRENT_TURN.set(journal)
    yield
    CURRENT_TURN.reset(token)


@pytest.mark.usefixtures("turn_7")
def test_each_line_knows_its_turn() -> None:
    assert TextLines().format(record("slow")).endswith(": turn 7: slow")
    assert json.loads(JsonLines().format(record("slow")))["turn"] == 7
    # The line that is about the turn says so itself.
    assert TextLines().format(record("turn 7 Ana")).endswith("agent: turn 7 Ana")


def test_who_logs_outside_may_name_the_turn() -> None:
    assert json.loads(JsonLines().format(record("late", turn=3)))["turn"] == 3


async def test_a_turns_threads_know_it_too(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    bare(root_logger)
    set_up_log("json")

    async def turn(number: int) -> None:
        CURRENT_TURN.set(TurnJournal(number, "Ana", ""))
        await trio.to_thread.run_sync(logging.getLogger("x").warning, "from a thread")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(turn, 1)
        nursery.start_soon(turn, 2)
    rows = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert {row["turn"] for row in rows} == {1, 2}
    assert root_logger.level == logging.INFO


def test_the_format_can_change_once_the_configuration_is_known(
    root_logger: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    bare(root_logger)
    set_up_log("text", "WARNING")
    set_up_log("json", "INFO")
    root_logger.info("now")
    (line,) = capsys.readouterr().err.splitlines()
    assert json.loads(line)["message"] == "now"


def test_a_log_that_somebody_else_set_up_is_left_alone(
    root_logger: logging.Logger,
) -> None:
    bare(root_logger)
    theirs = logging.NullHandler()
    root_logger.addHandler(theirs)
    set_up_log("json")
    assert root_logger.handlers == [theirs]
