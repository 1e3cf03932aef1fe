"""The status board: what an agent among fake parts tells, on a virtual clock."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from tests.fakes import ANA, BEN
from tests.scene import Scene, running
from trioagent.errors import ProviderError
from trioagent.interfaces import LinkLost, LinkRestored, SpeakerLeft
from trioagent.journal.events import TurnJournal
from trioagent.latencies.statistics import summarize
from trioagent.supervision.board import StatusBoard
from trioagent.supervision.boards import Boards
from trioagent.supervision.gauges import LoopLateness, process_figures
from trioagent.supervision.show import lines_of
from trioagent.supervision.turns import (
    ERRORS_KEPT,
    TURNS_MEASURED,
    Turns,
    percentiles,
)

if TYPE_CHECKING:
    from trio.testing import MockClock

QUESTION = "hello out there"
NAMES = ((1, "Ana"), (2, "Ben"))


def watched() -> tuple[Scene, StatusBoard]:
    scene, board = Scene(), StatusBoard()
    scene.agent.observers = [*scene.agent.observers, board]
    board.agent = scene.agent
    return scene, board


def told(board: StatusBoard) -> dict[str, Any]:
    """The report as whoever asks gets it."""
    report: dict[str, Any] = json.loads(json.dumps(board.report()))
    return report


async def test_while_it_starts_and_when_it_leaves(autojump_clock: MockClock) -> None:
    board = StatusBoard()
    await trio.sleep(3)
    report = told(board)
    assert (report["state"], report["healthy"]) == ("starting", False)
    assert report["uptime_s"] == 3
    assert report["room"] is None
    board.leaving = True
    assert told(board)["state"] == "leaving"
    assert "NOT WELL: leaving" in lines_of(told(board))[0]


async def test_an_idle_agent_is_well(autojump_clock: MockClock) -> None:
    scene, board = watched()
    async with running(scene):
        scene.room.join(ANA, BEN)
        await trio.sleep(1)
        report = told(board)
    assert (report["state"], report["healthy"], report["problems"]) == (
        "listening",
        True,
        [],
    )
    assert report["room"] == "memory"
    assert report["speakers"] == [
        {"name": "Ana", "talking": False},
        {"name": "Ben", "talking": False},
    ]
    assert (report["turns"], report["floor"], report["errors"]) == ([], None, [])
    assert report["latency"]["total_ttfa_ms"] is None


async def test_a_turn_and_its_stages(autojump_clock: MockClock) -> None:
    scene, board = watched()
    stages: list[tuple[str, bool]] = []

    async def look() -> None:
        while True:
            floor = board.turns.floor() is not None
            stages.extend((turn["stage"], floor) for turn in told(board)["turns"])
            await trio.sleep(0.01)

    async with running(scene), trio.open_nursery() as nursery:
        nursery.start_soon(look)
        nursery.start_soon(scene.say, QUESTION)
        await trio.sleep(0.5)
        (turn,) = told(board)["turns"]
        assert (turn["turn"], turn["speaker"], turn["stage"]) == (1, "Ana", "listening")
        assert turn["age_s"] == pytest.approx(0.5, abs=0.1)
        assert told(board)["speakers"] == [{"name": "Ana", "talking": True}]
        await trio.sleep(1)
        floor = told(board)["floor"]
        assert (floor["speaker"], floor["turn"], floor["ducked"]) == ("Ana", 1, False)
        await trio.sleep(5)
        nursery.cancel_scope.cancel()
    assert stages[0] == ("listening", False)
    assert ("speaking", True) in stages
    report = told(board)
    assert report["turns"] == []
    assert report["floor"] is None
    assert report["outcomes"] == {"answered": 1}
    took = report["latency"]["total_ttfa_ms"]
    assert took["turns"] == 1
    assert took["p50"] == took["max"] > 0
    assert set(report["latency"]) == {
        "total_ttfa_ms",
        "stale_ms",
        "asr_ms",
        "llm_ttft_ms",
    }
    assert report["queues"]["peaks"]["audio_ms"] > 0
    assert any(line.startswith("total_ttfa_ms: p50") for line in lines_of(report))


async def test_a_reply_that_holds_its_breath(autojump_clock: MockClock) -> None:
    scene, board = watched()
    async with running(scene):
        await scene.say("tell me a long story about all of it")
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, "uh", BEN)
            await trio.sleep(0.1)
            assert told(board)["floor"]["ducked"]
            assert any("holding its breath" in x for x in lines_of(told(board)))


async def test_a_lost_room_is_told_and_forgotten(autojump_clock: MockClock) -> None:
    scene, board = watched()
    async with running(scene):
        scene.room.put(LinkLost("no answer for 5 s"))
        await trio.sleep(1)
        report = told(board)
        assert (report["state"], report["healthy"]) == ("reconnecting", False)
        (error,) = report["errors"]
        assert (error["turn"], error["error"]) == (
            None,
            "lost the room: no answer for 5 s",
        )
        assert "lost the room: no answer for 5 s" in report["problems"]
        scene.room.put(LinkRestored())
        await trio.sleep(10)
        report = told(board)
        assert (report["state"], report["healthy"]) == ("listening", True)
        assert report["errors"][0]["age_s"] == pytest.approx(10, abs=0.2)
        scene.room.put(LinkLost("kicked"))
        await trio.sleep(1)
        assert [e["error"] for e in told(board)["errors"]] == [
            "lost the room: no answer for 5 s",
            "lost the room: kicked",
        ]
        assert len(told(board)["errors"]) == 2


async def test_errors_have_a_turn_and_no_transcript(autojump_clock: MockClock) -> None:
    scene, board = watched()
    scene.model.fail = ProviderError(
        f"no reply to {QUESTION!r}: \x1b[31m" + 1000 * "x", hint="look at the server"
    )
    async with running(scene):
        await scene.say(QUESTION)
        await trio.sleep(10)
    report = told(board)
    (error,) = report["errors"]
    assert error["turn"] == 1
    assert error["error"].startswith("no reply to '…': \\x1b[31mxxx")
    assert len(error["error"]) <= 200
    assert QUESTION not in json.dumps(report)
    assert report["outcomes"] == {"failed": 1}


async def test_the_newest_error_is_shown_first_and_how_old_each_is(
    autojump_clock: MockClock,
) -> None:
    boards = Boards.of(("Robo", "Miss"))
    board = boards.first
    board.turns.went_wrong("no key\n  hint: set one")
    await trio.sleep(3600)
    board.turns.went_wrong("no room")
    await trio.sleep(90)
    shown = ["error (1.5 min ago): no room", "error (1.0 h ago): no key"]
    lines = lines_of(told(board))
    assert lines[0].startswith("NOT WELL: starting, for 1.0 h ")
    assert lines[-2:] == shown
    of_several = lines_of(json.loads(json.dumps(boards.report())))
    assert [line for line in of_several if "error (" in line] == [
        f"  {line}" for line in shown
    ]


async def test_a_turn_of_which_no_error_is_known_is_one() -> None:
    turns = Turns()
    journal = TurnJournal(7, "Ana", "", [turns])
    journal.record("outcome", kind="failed")
    (error,) = turns.last_errors()
    assert (error["turn"], error["error"]) == (7, "the turn failed: the log says why")


@pytest.mark.parametrize("name", ["partial", "stable", "pause", "final"])
async def test_no_words_of_a_turn_are_in_its_errors(name: str) -> None:
    turns = Turns()
    journal = TurnJournal(7, "Ana", "", [turns])
    journal.record(name, text="it is green")
    journal.record("provider_failed", error="cannot follow 'it is green'")
    assert turns.last_errors()[0]["error"] == "cannot follow '…'"


async def test_who_took_the_floor_last_has_it() -> None:
    turns = Turns()
    journals = [TurnJournal(number, who, "", [turns]) for number, who in NAMES]
    for journal in journals:
        journal.record("floor_taken")
        journal.record("ducked", by="Ben")
    journals[1].record("restored")
    floor = turns.floor()
    assert floor is not None
    assert (floor["turn"], floor["speaker"], floor["ducked"]) == (2, "Ben", False)
    assert [turn["stage"] for turn in turns.running()] == ["ducked", "speaking"]


async def test_what_it_keeps_is_bounded() -> None:
    turns = Turns()
    for number in range(3 * TURNS_MEASURED):
        journal = TurnJournal(number, "Ana", "", [turns])
        journal.record("speech_started", speaker="Ana")
        journal.record("speech_ended", cause="silence", last_speech=0.0)
        journal.record("final", text="x")
        journal.record("provider_failed", error=str(number))
        journal.record("outcome", kind="failed")
    assert turns.running() == []
    measured = turns.latencies()["asr_ms"]
    assert measured is not None
    assert measured["turns"] == TURNS_MEASURED
    assert len(turns.last_errors()) == ERRORS_KEPT
    assert turns.outcomes == {"failed": 3 * TURNS_MEASURED}


async def test_an_open_breaker_is_a_problem() -> None:
    scene, board = watched()
    board.breakers = lambda: {"asr sherpa": "closed", "llm openai": "open"}
    report = told(board)
    assert report["breakers"] == {"asr sherpa": "closed", "llm openai": "open"}
    assert report["problems"] == ["llm openai is not asked: its breaker is open"]
    board.breakers = lambda: {"llm openai": "half-open"}
    assert told(board)["healthy"]
    assert scene.idle()


async def test_of_several_the_process_has_problems_too() -> None:
    boards = Boards.of(("Robo", "Miss"))
    for board in boards.by_name.values():
        board.agent = Scene().agent
    boards.watch(lambda: {"llm openai": "open"})
    report = boards.report()
    assert report["problems"] == ["llm openai is not asked: its breaker is open"]
    assert not report["healthy"]
    boards.by_name["Robo"].failed = "removed"
    boards.by_name["Miss"].agent = None
    assert boards.state == "failed"


async def test_drops_of_those_who_left_are_counted_on() -> None:
    scene, board = watched()
    async with running(scene):
        scene.room.join(ANA)
        await trio.testing.wait_all_tasks_blocked()
        ear = scene.agent.listening_to[0]
        ear.dropped, ear.peak = 3, 40
        assert told(board)["queues"]["ears_dropped"] == 3
        assert told(board)["queues"]["ears_peak"] == 40
        scene.room.put(SpeakerLeft(ANA))
        await trio.testing.wait_all_tasks_blocked()
        assert told(board)["queues"]["ears_dropped"] == 3
        assert told(board)["queues"]["ears_peak"] == 40
        assert told(board)["speakers"] == []


async def test_what_a_room_tells_of_its_queue_is_passed_on() -> None:
    scene, board = watched()
    scene.room.put(LinkRestored())
    assert told(board)["queues"]["room"] == {"inbox_waiting": 1, "taken": 0}

    @attrs.define(eq=False)
    class Telling:
        events: object
        address = "here"

        @property
        def figures(self) -> dict[str, int]:
            return {"dropped": 5}

    parts = attrs.evolve(scene.agent.parts, room=Telling(scene.room.events))
    scene.agent.parts = parts
    queue = told(board)["queues"]["room"]
    assert queue == {"dropped": 5, "inbox_waiting": 1, "taken": 0}


async def test_how_late_the_loop_is() -> None:
    lateness = LoopLateness()
    assert lateness.told() == {"last_minute_ms": 0.0, "worst_ms": 0.0}
    async with trio.open_nursery() as nursery:
        nursery.start_soon(lateness.run)
        await trio.sleep(0.45)
        time.sleep(0.3)  # noqa: ASYNC251 - that is the point
        await trio.sleep(0.01)
        nursery.cancel_scope.cancel()
    assert lateness.worst_s == lateness.recent_s > 0.2
    board = StatusBoard(lateness=LoopLateness(worst_s=9.0))
    assert not any("late" in problem for problem in board.problems())
    board.lateness = LoopLateness(recent=[0.0, 1.5, 0.0])
    assert "the event loop was 1.5 s late" in board.problems()


async def test_the_worst_of_it_is_kept(autojump_clock: MockClock) -> None:
    lateness = LoopLateness(worst_s=9.0)
    with trio.move_on_after(5):
        await lateness.run()
    assert (lateness.worst_s, lateness.recent_s) == (9.0, 0.0)


def test_what_the_process_costs() -> None:
    figures = process_figures()
    assert figures["memory_mb"] is not None
    assert 1 < figures["memory_mb"] <= figures["memory_peak_mb"] < 100_000
    assert figures["threads"] >= 1
    assert figures["open_files"] >= 3


def test_its_figures_are_the_kernels(tmp_path: Path) -> None:
    status = "Name:\tx\nVmHWM:\t 4096 kB\nVmRSS:\t 2048 kB\nThreads:\t3\n"
    (tmp_path / "status").write_text(status)
    for name in "0123":
        (tmp_path / "fd" / name).mkdir(parents=True)
    assert process_figures(tmp_path) == {
        "memory_mb": 2.0,
        "memory_peak_mb": 4.0,
        "threads": 3,
        "open_files": 3,
    }


def test_where_that_cannot_be_known_it_is_null() -> None:
    assert set(process_figures(Path("/nowhere")).values()) == {None}


def test_percentiles_are_those_of_the_latency_command() -> None:
    values = [float(n * n % 97) for n in range(137)]
    ours, theirs = percentiles(values), summarize(values)
    assert ours is not None
    assert theirs is not None
    assert ours["p50"] == pytest.approx(theirs.p50, abs=0.1)
    assert ours["p99"] == pytest.approx(theirs.p99, abs=0.1)
    assert (ours["max"], ours["turns"]) == (theirs.max, theirs.count)
    assert percentiles([]) is None
