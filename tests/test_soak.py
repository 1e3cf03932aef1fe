"""The soak and the random interruptions in small, and what they found."""

from __future__ import annotations

import argparse
import random
from typing import TYPE_CHECKING

import trio
from trio.testing import MockClock

from bench.chance import conversation
from bench.interruptions import Totals, play
from bench.soak import talk
from bench.vitals import Vitals, slopes
from tests.scene import Scene, running

if TYPE_CHECKING:
    from pathlib import Path


def test_a_few_random_interruptions_leave_nothing_behind() -> None:
    totals = Totals()
    for seed in range(12):
        totals.add(play(conversation(random.Random(seed), seed, 12)))
    row = totals.row(1.0)
    assert row["interruptions"] >= 20
    assert not any(row["failures"].values()), row["failures"]


def test_a_short_soak_holds_no_more_tasks_than_before(tmp_path: Path) -> None:
    args = argparse.Namespace(virtual=100, every=10, seed=1)
    clock = MockClock(autojump_threshold=0)
    stage, seen = trio.run(talk, args, tmp_path, clock=clock)
    assert stage.turns >= 100
    assert stage.outcomes["answered"] >= 5
    assert {look.tasks for look in seen} == {seen[0].tasks}
    # Idle ones of earlier tests may end meanwhile.
    assert max(look.threads for look in seen) == seen[0].threads
    assert (tmp_path / "latency.jsonl").exists()


def test_a_task_that_stays_every_turn_is_a_slope() -> None:
    seen = [
        Vitals(n * 10, 50_000 + n % 7, 1000 + n % 3, 5 + n, 1, 9) for n in range(50)
    ]
    found = slopes(seen, warm_up=100)
    assert found["tasks"].is_growth
    assert found["fds"].is_zero
    assert found["objects"].is_zero
    assert slopes(seen, warm_up=450) == {}


async def test_a_reply_whose_last_phrase_fails_has_a_last_frame(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.model.replies["tell me"] = (
        "here is the first sentence of it all. there was a second sentence of it."
    )
    scene.synthesizer.fail_on = "second"
    # It runs dry before the second phrase fails.
    scene.synthesizer.first_s = 3.0
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(15)
        names = scene.names(1)
        assert "underrun" in names
        assert names.index("provider_failed") < names.index("last_frame")
        assert scene.room.ends
