"""With the default configuration nothing that anybody says is written down."""

from __future__ import annotations

import json
import logging
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from tests.fakes import ANA, BEN
from tests.scene import Scene, running
from trioagent import Agent, Config
from trioagent.app import recorded
from trioagent.errors import ProviderError
from trioagent.interfaces import LinkLost, TextMessage
from trioagent.journal.latency import LatencyLog

if TYPE_CHECKING:
    from trio.testing import MockClock

SAID, INTERRUPTED, REPLIED, WRITTEN = "xyzzy", "plugh", "fnord", "grault"


async def a_conversation(scene: Scene) -> None:
    """With every kind of end that a turn can have."""
    scene.room.join(ANA, BEN)
    scene.model.replies[f"tell me {SAID}"] = f"{REPLIED} is what I know. " * 5
    await scene.say(f"tell me {SAID}")
    await trio.sleep(2.5)
    await scene.say(f"stop {INTERRUPTED}", BEN)
    await trio.sleep(6)
    scene.room.put(TextMessage(ANA, WRITTEN, private=False))
    scene.model.fail, scene.model.fail_after = ProviderError("is down"), 1
    await scene.say(f"tell me {SAID}")
    await trio.sleep(6)
    scene.recognizer.fail = ProviderError("is down")
    await scene.say(f"tell me {SAID}")
    await trio.sleep(6)
    scene.recognizer.fail = scene.model.fail = None
    await scene.say(f"tell me {SAID}", terminator=False)
    scene.room.put(LinkLost("gone"))
    await trio.sleep(5)


@pytest.mark.parametrize("transcripts", [False, True])
async def test_no_transcript_is_kept(
    transcripts: bool,
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    caplog.set_level(logging.DEBUG)
    config, scene = Config(), Scene()
    if transcripts:
        # What the test would find if something were written.
        journal = attrs.evolve(config.journal, log_transcripts=True)
        config = attrs.evolve(config, journal=journal)
    latency = LatencyLog(
        Path(config.journal.latency_file), config.journal.log_transcripts
    )
    async with recorded(scene.agent.parts, config) as (parts, recorders):
        assert not recorders
        scene.agent = Agent(parts, config, [scene._observe, latency])
        async with running(scene):
            await a_conversation(scene)
    told = {e.data["kind"] for _, e in scene.events if e.name == "outcome"}
    assert told == {"answered", "interrupted", "failed"}
    assert REPLIED in scene.spoken
    (file,) = files(tmp_path)
    lines = file.read_text()
    assert len([json.loads(line) for line in lines.splitlines()]) >= 5
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    written = caplog.text + lines + "".join(capfd.readouterr())
    assert "turn 1 Ana interrupted" in written
    markers = {m for m in (SAID, INTERRUPTED, REPLIED, WRITTEN) if m in written}
    assert markers == ({SAID, INTERRUPTED} if transcripts else set())


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
