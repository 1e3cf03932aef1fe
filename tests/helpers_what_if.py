"""Scenes that are recorded, to be run under other settings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import trio

from tests import helpers_recorded_scene
from tests.fakes import ANA, BEN
from tests.scene import CONFIG
from trioagent.config import TurnConfig
from trioagent.interfaces import HEARING_RATE_HZ
from trioagent.replay.clock import scheduled_by

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from tests.scene import Scene
    from trioagent import Config

    Script = Callable[[Scene], Awaitable[None]]


def as_ever(_scene: Scene) -> None:
    """Nothing is changed in the scene."""


def record(
    folder: Path,
    script: Script,
    config: Config = CONFIG,
    prepare: Callable[[Scene], None] = as_ever,
) -> list[Path]:
    """The recordings of a scene with Ana and Ben, always played in the same way."""
    with scheduled_by(1):
        return helpers_recorded_scene.record(
            folder, script, config=config, prepare=prepare, people=(ANA, BEN)
        )


def holding(hold_ms: float, **turn: Any) -> Config:
    """The same hold, whatever the words."""
    holds = {"hold_ms": hold_ms, "min_hold_ms": hold_ms, "max_hold_ms": hold_ms}
    return attrs.evolve(CONFIG, turn=TurnConfig(**holds, **turn))


# --- how the parts are -----------------------------------------------------------


def quick(scene: Scene) -> None:
    """The reply is ready long before any hold ends."""
    scene.model.first_token_s = scene.model.token_s = 0.002


def slow(scene: Scene) -> None:
    """A recognizer that needs longer for a packet than it lasts, and to finish."""
    quick(scene)
    scene.recognizer.cost_s = 0.033
    scene.recognizer.finish_s = 0.4


def deaf(scene: Scene) -> None:
    """The recognizer knows no word."""
    scene.recognizer.vocabulary = type(scene.vocabulary)()


# --- what is said ----------------------------------------------------------------


async def question(scene: Scene) -> None:
    """A turn, after some silence."""
    await trio.sleep(0.5)
    await scene.say("what time is it", quiet_s=0.1)
    await trio.sleep(6)


async def interruption(scene: Scene) -> None:
    """Two turns: one that is answered, and one into the answer."""
    await scene.say("tell me a long story", quiet_s=0.1)
    await trio.sleep(1.0)
    await scene.say("stop it now please", quiet_s=0.1)
    await trio.sleep(6)


async def afterthought(scene: Scene) -> None:
    """A pause of half a second in a sentence."""
    await scene.say("tell me", terminator=False)
    await trio.sleep(0.5)
    await scene.say("a story", terminator=False)
    await trio.sleep(6)


async def breath(scene: Scene) -> None:
    """The same pause, with packets in it."""
    pause = np.zeros(HEARING_RATE_HZ // 2, np.int16)
    pcm = np.concatenate([scene.words("tell me"), pause, scene.words("a story")])
    await scene.room.say(ANA, pcm, terminator=False)
    await trio.sleep(6)


async def steady_noise(scene: Scene) -> None:
    """Packets go on while nothing is said."""
    await scene.say("what time is it", quiet_s=1.5, terminator=False)
    await trio.sleep(6)


async def two_people(scene: Scene) -> None:
    """Both talk at once."""
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.say, "what time is it", ANA)
        await trio.sleep(0.2)
        nursery.start_soon(scene.say, "and where are you", BEN)
    await trio.sleep(9)
