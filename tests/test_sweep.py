"""A whole turn, disturbed at every one of its steps: nothing of it is left behind."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import pytest
import trio

import trioagent.stages.draft
import trioagent.turn
from tests.leaks import no_tasks_left
from tests.sweep import Trigger, before_a_step, sweep
from tests.swept_turn import Stage

if TYPE_CHECKING:
    from collections.abc import Callable


async def interrupted(trigger: Trigger) -> None:
    """The turn is interrupted before a task step."""
    stage = Stage(trigger)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.agent.run)
        await trio.testing.wait_all_tasks_blocked()
        async with no_tasks_left():
            with before_a_step(trigger, stage.interrupt):
                await stage.one_turn()
            stage.check_outcomes()
            stage.check_interrupted()
            stage.check_nothing_open()
        if trigger.at is None:
            stage.check_undisturbed()
        async with no_tasks_left():
            await stage.check_next_turn()
        stage.check_outcomes()
        stage.check_nothing_open()
        nursery.cancel_scope.cancel()


async def failing(trigger: Trigger) -> None:
    """A provider fails at one of its steps."""
    stage = Stage(trigger, fails=True)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.agent.run)
        await trio.testing.wait_all_tasks_blocked()
        async with no_tasks_left():
            await stage.one_turn()
            assert len(stage.failed) == (trigger.at is not None)
            stage.check_outcomes()
            stage.check_nothing_open()
        if trigger.at is None:
            stage.check_undisturbed()
        async with no_tasks_left():
            await stage.check_next_turn()
        stage.check_outcomes()
        stage.check_nothing_open()
        nursery.cancel_scope.cancel()


async def shut_down(trigger: Trigger) -> None:
    """The agent is cancelled from outside before a task step."""
    stage = Stage(trigger)
    async with no_tasks_left():
        async with trio.open_nursery() as nursery:

            def shut() -> None:
                stage.stop()
                nursery.cancel_scope.cancel()

            nursery.start_soon(stage.agent.run)
            with before_a_step(trigger, shut):
                await stage.one_turn()
            nursery.cancel_scope.cancel()
        if stage.stopped is not None:
            assert stage.stopped == (len(stage.room.frames), trio.current_time())
            assert not stage.agent.history.exchanges
        stage.check_nothing_open()


@pytest.fixture(params=["no buffers", "default buffers"])
def buffers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """How far the stages may run ahead of each other."""
    if request.param == "no buffers":
        for name in ("TOKENS_AHEAD", "PHRASES_AHEAD"):
            monkeypatch.setattr(trioagent.stages.draft, name, 0)
        monkeypatch.setattr(trioagent.turn, "TRANSCRIPTS_AHEAD", 0)


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[int], None]:
    """Notes how many runs a test made; tests/conftest.py adds them up."""
    return functools.partial(record_property, "cancellation sweep runs")


# By their least numbers, all together are well over 1,000 runs.


@pytest.mark.usefixtures("buffers")
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_turn_interrupted_anywhere_leaves_nothing_behind(
    seed: int, count: Callable[[int], None]
) -> None:
    runs = sweep(interrupted, seed)
    count(runs)
    assert runs > 250


@pytest.mark.usefixtures("buffers")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_provider_that_fails_anywhere_leaves_nothing_behind(
    seed: int, count: Callable[[int], None]
) -> None:
    runs = sweep(failing, seed)
    count(runs)
    assert runs > 100


@pytest.mark.usefixtures("buffers")
@pytest.mark.parametrize("seed", [1, 2])
def test_a_shutdown_anywhere_leaves_nothing_behind(
    seed: int, count: Callable[[int], None]
) -> None:
    runs = sweep(shut_down, seed)
    count(runs)
    assert runs > 250
