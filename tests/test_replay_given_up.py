"""What was given up, by a time-out, a breaker or the budget, goes as it went again."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from tests.helpers_recorded_scene import record
from tests.helpers_replay import SEEDS, differences, recordings
from tests.test_turn_budget import (
    GUARDED,
    LONG,
    StallingModel,
    StallingSynthesizer,
    rebuild,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.scene import Scene
    from trioagent.journal.events import Event


def recognizer(scene: Scene) -> None:
    scene.recognizer.finish_s = math.inf


def model(scene: Scene) -> None:
    scene.model.stall_after = 0


def model_in_mid_reply(scene: Scene) -> None:
    scene.model.stall_after = 4


def synthesizer(scene: Scene) -> None:
    scene.synthesizer.first_s = math.inf


def slow_in_all(scene: Scene) -> None:
    scene.recognizer.finish_s = 0.9
    scene.model.first_token_s = 1.9
    scene.synthesizer.first_s = 1.4


async def ask_twice(scene: Scene) -> None:
    scene.model.replies["hello"] = LONG
    for _ in range(2):
        await scene.say("hello")
        await trio.sleep(20)


def told(event: Event) -> str:
    return str(event.data["error"])


@pytest.mark.parametrize("guarded", [True, False], ids=["guarded", "budget"])
@pytest.mark.parametrize(
    "trouble", [recognizer, model, model_in_mid_reply, synthesizer, slow_in_all]
)
def test_it_goes_as_it_went(
    trouble: Callable[[Scene], None], guarded: bool, tmp_path: Path
) -> None:
    turn = attrs.evolve(GUARDED.turn, budget_s=3.0)

    def prepare(scene: Scene) -> None:
        scene.model = StallingModel(stall_after=-1)
        scene.synthesizer = StallingSynthesizer(scene.vocabulary)
        trouble(scene)
        parts = attrs.evolve(scene.agent.parts, language_model=scene.model)
        scene.agent.parts = parts
        rebuild(scene, guarded=guarded)

    config = attrs.evolve(GUARDED, turn=turn)
    record(tmp_path, ask_twice, config=config, prepare=prepare)
    found = recordings(tmp_path)
    assert len(found) == 2
    for recording in found:
        (number,) = recording.turns
        failures = [e for e in recording.events(number) if e.name == "provider_failed"]
        bound = "timeout_s" if guarded and trouble is not slow_in_all else "budget_s"
        assert bound in told(failures[0])
        tried = (differences(recording, seed) for seed in SEEDS)
        assert [] in tried
