"""What a recorder says: to the people in the channel, and in the header."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from tests.fakes import ANA, BEN, FakeRoom
from tests.helpers_replay import different, recording_to, recordings
from tests.replay_stories import answered
from tests.scene import CONFIG
from trioagent.config import LlmConfig, MumbleConfig, RecordingConfig
from trioagent.interfaces import LinkRestored
from trioagent.recording.recorder import ANNOUNCE_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trio.testing import MockClock


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual clock does not wait for threads."""

    async def inline(fn: Callable[..., Any], *args: Any, **_how: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return fn(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)


# --- what people are told --------------------------------------------------------


class WritingRoom(FakeRoom):
    """Keeps what is written in the channel."""

    def __init__(self) -> None:
        FakeRoom.__init__(self)
        self.texts: list[tuple[float, str]] = []

    async def send_text(self, text: str) -> None:
        self.texts.append((round(trio.current_time(), 3), text))
        await trio.sleep(0.1)


async def test_it_is_announced_to_who_is_there_and_who_comes(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    room = WritingRoom()
    text = "Recorded!"
    told = RecordingConfig(folder=str(tmp_path), announcement=text)
    config = attrs.evolve(CONFIG, recording=told)
    async with recording_to(tmp_path, config, room=room) as scene:
        room.join(ANA)
        await trio.sleep(1)
        assert room.texts == [(0.0, text)]
        room.join(BEN)
        await trio.sleep(ANNOUNCE_S - 2)
        assert len(room.texts) == 1, "not at every coming"
        await trio.sleep(500)
        assert room.texts == [(0.0, text), (ANNOUNCE_S + 0.1, text)]
        room.put(LinkRestored())
        await trio.sleep(500)
        assert len(room.texts) == 3
        assert room.texts[2][0] == pytest.approx(ANNOUNCE_S + 499, abs=1)
        await answered(scene)
    assert recordings(tmp_path)


async def test_an_empty_announcement_says_nothing(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    room = WritingRoom()
    quiet = RecordingConfig(folder=str(tmp_path), announcement="")
    config = attrs.evolve(CONFIG, recording=quiet)
    async with recording_to(tmp_path, config, room=room) as scene:
        await answered(scene)
        await trio.sleep(200)
    assert room.texts == []
    assert recordings(tmp_path)


async def test_secrets_are_masked(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    config = attrs.evolve(
        CONFIG,
        mumble=MumbleConfig(password="hunter2", tokens=("hunter3",)),
        llm=LlmConfig(
            providers=("openai",), options={"openai": {"api_key": "hunter4", "x": 1}}
        ),
    )
    async with recording_to(tmp_path, config) as scene:
        await answered(scene)
    (recording,) = recordings(tmp_path)
    assert b"hunter" not in (recording.path / "turn.jsonl").read_bytes()
    known = recording.header.config
    assert known["mumble"]["password"] == "***"
    assert known["llm"]["openai"]["api_key"] == "***"
    assert known["turn"]["hold_ms"] == CONFIG.turn.hold_ms
    assert recording.header.providers["llm"] == "fake"
    assert not different(recording)
