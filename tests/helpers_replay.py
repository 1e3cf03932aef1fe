"""Scenes that are recorded as they are played, and recordings that are run again."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio

from tests import helpers_recorded_scene
from tests.scene import CONFIG, Scene, running
from trioagent import Agent, Config
from trioagent.config import RecordingConfig
from trioagent.recording.format import TURN_FILE
from trioagent.recording.reader import find_all, load
from trioagent.recording.recorder import Recorder
from trioagent.replay.again import Again, again
from trioagent.replay.clock import scheduled_by
from trioagent.replay.compare import TurnResult, compare
from trioagent.replay.settings import recorded_config

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from trioagent.recording.recording import Recording

    Story = Callable[[Scene], Awaitable[None]]

Row = dict[str, Any]
SEEDS = range(8)


def record(folder: Path, story: Story, config: Config = CONFIG) -> Scene:
    """Play `story`, always in the same way, and record it in `folder`.

    The scene is returned as it was at the end.
    """
    scenes: list[Scene] = []
    with scheduled_by(1):
        helpers_recorded_scene.record(
            folder, story, config=config, prepare=scenes.append, people=()
        )
    assert scenes[0].idle()
    return scenes[0]


def recorded_scene(
    folder: Path, config: Config = CONFIG, **how: Any
) -> tuple[Scene, Recorder]:
    """A scene whose agent is recorded, and what would write that into `folder`."""
    if not config.recording.folder:
        config = attrs.evolve(config, recording=RecordingConfig(folder=str(folder)))
    scene, recorder = Scene(config, **how), Recorder(config)
    parts = recorder.tap(scene.agent.parts)
    scene.agent = Agent(parts, config, [scene._observe, recorder.tape])
    recorder.tape.agent = scene.agent
    return scene, recorder


def recordings(folder: Path) -> list[Recording]:
    """Those in `folder`, oldest first."""
    found = map(load, find_all([folder]).recordings)
    return sorted(found, key=lambda recording: recording.turns)


def run_again(recording: Recording, seed: int = 0) -> tuple[Again, list[TurnResult]]:
    """Run it with its own configuration; also how its turns compare."""
    made = again(recording, recorded_config(recording), seed)
    return made, compare(recording, made)


def differences(recording: Recording, seed: int = 0) -> list[str]:
    """What went another way, turn by turn; empty if nothing did."""
    return [
        f"turn {result.turn}: {d.what}: then {d.recorded}, now {d.now}"
        for result in run_again(recording, seed)[1]
        if (d := result.difference) is not None
    ]


def edit(path: Path, change: Callable[[list[Row]], list[Row]]) -> Recording:
    """Change the lines of a recording, the header's first; the edited recording."""
    file = path / TURN_FILE
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    rows = change(rows)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return load(path)


@asynccontextmanager
async def recording_to(
    folder: Path, config: Any = CONFIG, **how: Any
) -> AsyncIterator[Scene]:
    """A running scene that is recorded, from its first to its last moment."""
    scene, recorder = recorded_scene(folder, config, **how)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        async with running(scene):
            yield scene
        nursery.cancel_scope.cancel()


def different(recording: Recording) -> list[str]:
    """What goes another way with every seed; may be asked from inside of Trio.

    Who went first at the same moment was chance when it was recorded.
    """
    with ThreadPoolExecutor(1) as pool:
        tried = (pool.submit(differences, recording, seed).result() for seed in SEEDS)
        return next((found for found in tried if not found), ["all seeds differ"])
