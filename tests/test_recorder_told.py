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
from trioagent.config import Config, LlmConfig, MumbleConfig, RecordingConfig
from trioagent.interfaces import LinkRestored, Speaker, SpeakerLeft
from trioagent.recording.announcing import BURST, BURST_S

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trio.testing import MockClock

CLEO = Speaker(3, "Cleo", certificate="ab" * 20)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual clock does not wait for threads."""

    async def inline(fn: Callable[..., Any], *args: Any, **_how: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return fn(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)


# --- what people are told --------------------------------------------------------


class WritingRoom(FakeRoom):
    """Keeps what is written in the channel, or to somebody."""

    def __init__(self) -> None:
        FakeRoom.__init__(self)
        self.texts: list[tuple[float, str]] = []
        self.to: list[Speaker | None] = []

    async def send_text(self, text: str, to: Speaker | None = None) -> None:
        self.texts.append((round(trio.current_time(), 3), text))
        self.to.append(to)
        await trio.sleep(0.1)


def telling(folder: Path) -> Config:
    told = RecordingConfig(folder=str(folder), announcement="Recorded!")
    return attrs.evolve(CONFIG, recording=told)


async def test_it_is_announced_at_once_to_who_is_there_and_who_comes(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    room = WritingRoom()
    room.join(ANA, BEN)
    async with recording_to(tmp_path, telling(tmp_path), room=room) as scene:
        await trio.sleep(1)
        room.join(CLEO)
        await trio.sleep(500)
        # Not again because the name has changed.
        room.join(attrs.evolve(CLEO, name="Cleopatra"))
        await trio.sleep(500)
        room.put(LinkRestored())
        await trio.sleep(1)
        await answered(scene)
    assert room.texts == [(t, "Recorded!") for t in (0.1, 1.1, 1001.1)]
    assert room.to == [None, CLEO, None]
    assert recordings(tmp_path)


async def test_a_crowd_that_comes_and_goes_is_not_told_without_end(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    room = WritingRoom()
    async with recording_to(tmp_path, telling(tmp_path), room=room):
        for number in range(3000):
            room.join(Speaker(number, f"#{number}"))
            await trio.sleep(0.01)
            if number % 2:
                room.put(SpeakerLeft(Speaker(number, f"#{number}")))
        came = trio.current_time()
        await trio.sleep(BURST_S)
    times = [time for time, _ in room.texts]
    later = zip(times, times[BURST:], strict=False)
    assert all(after >= before + BURST_S for before, after in later)
    assert times[-1] >= came - BURST_S, "the last are told, too"
    assert len(times) <= BURST * (came / BURST_S + 2)


async def test_who_come_one_by_one_do_not_wait(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    room = WritingRoom()
    async with recording_to(tmp_path, telling(tmp_path), room=room):
        for number in range(3 * BURST):
            room.join(Speaker(number, f"#{number}"))
            await trio.sleep(BURST_S / BURST + 1)
    assert len(room.to) == 3 * BURST


async def test_nobody_is_told_for_who_has_left_again(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    room = WritingRoom()
    async with recording_to(tmp_path, telling(tmp_path), room=room):
        room.join(ANA)
        await trio.sleep(1)
        room.join(CLEO)
        await trio.sleep(0.01)
        room.put(SpeakerLeft(CLEO))
        await trio.sleep(1)
    assert room.to == [ANA]


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
