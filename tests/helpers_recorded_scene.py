"""Recordings of an agent among fake parts, made as the agent makes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio
from trio.testing import MockClock

from tests.fakes import ANA, BEN
from tests.helpers_speech import silence
from tests.scene import CONFIG, Scene
from trioagent import Agent, Config
from trioagent.config import RecordingConfig
from trioagent.recording.recorder import Recorder
from trioagent.replay.clock import scheduled_by

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from trioagent.interfaces import Speaker
    from trioagent.recording.tape import RoomTape

    Script = Callable[[Scene], Awaitable[None]]


def record(
    folder: Path,
    script: Script,
    *,
    config: Config = CONFIG,
    prepare: Callable[[Scene], None] = lambda _scene: None,
    people: tuple[Speaker, ...] = (ANA,),
) -> list[Path]:
    """Run `script` on a virtual clock, in a room with `people`; the folders.

    `script` must leave its turns the time to end.
    """
    recording = RecordingConfig(folder=str(folder))
    recorder = Recorder(attrs.evolve(config, recording=recording))

    async def main() -> None:
        scene = Scene(config)
        prepare(scene)
        scene.room.join(*people)
        parts = recorder.tap(scene.agent.parts)
        scene.agent = Agent(parts, config, [scene._observe, recorder.tape])
        recorder.tape.agent = scene.agent
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.agent.run)
            await script(scene)
            nursery.cancel_scope.cancel()

    # The same recordings each time.
    with scheduled_by(1):
        trio.run(main, clock=MockClock(autojump_threshold=0))
    _write(recorder, recorder.tape)
    return sorted(path.parent for path in folder.rglob("turn.jsonl"))


def _write(recorder: Recorder, tape: RoomTape) -> None:
    # Its own task uses threads, which a virtual clock does not wait for.
    takes = list(tape.takes)
    assert all(take.over for take in takes), "a turn is not over"
    writer = recorder._written
    writer.waiting.extend((take, True, take.drain()) for take in takes)
    writer.write()


async def one_question(scene: Scene) -> None:
    """A turn that is answered in two phrases."""
    scene.model.replies = {"what is that": "A bird. It sings."}
    await scene.say("what is that")
    await trio.sleep(2.5)


async def two_questions(scene: Scene) -> None:
    """Two turns, each a recording of its own."""
    scene.model.replies = {"what is that": "A bird."}
    await scene.say("what is that")
    await trio.sleep(1.5)
    # It stays in the pre-roll.
    await scene.room.say(ANA, silence(0.1), terminator=False)
    await scene.say("and that")
    await trio.sleep(2)


async def an_interruption(scene: Scene) -> None:
    """Two turns in one recording: Ben speaks into the reply to Ana."""
    scene.model.replies = {
        "tell me": "Apples grow on tall trees beside the quiet river bank.",
        "stop now": "Of course.",
    }
    await scene.say("tell me")
    await trio.sleep(1.2)
    await scene.say("stop now", BEN)
    await trio.sleep(2)
