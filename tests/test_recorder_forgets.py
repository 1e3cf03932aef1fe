"""Recordings are deleted when they are too old, on request, and never hold us up."""

from __future__ import annotations

import errno
import os
import threading
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import ANA, BEN
from tests.helpers_recordings import make
from tests.helpers_replay import different, recorded_scene, recording_to, recordings
from tests.replay_stories import answered, in_the_reply
from tests.scene import CONFIG, Scene
from trioagent.config import RecordingConfig
from trioagent.decisions.history import Exchange
from trioagent.forgetting import NotDeleted
from trioagent.interfaces import Speaker, TextMessage
from trioagent.memory import Memory
from trioagent.recording import format as f
from trioagent.recording import limits, take, writer
from trioagent.recording.folder import RecordingFolder
from trioagent.recording.recorder import LAST_FLUSH_S, PRUNE_S, Recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from trio.testing import MockClock

EVE = Speaker(5, "Eve", certificate="ab" * 20)


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual clock does not wait for threads."""

    async def inline(fn: Callable[..., Any], *args: Any, **_how: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return fn(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)


async def says(scene: Scene, who: Speaker) -> None:
    scene.room.join(who)
    await scene.say("what time is it", who)
    await trio.sleep(4)


NO_HISTORY = attrs.evolve(
    CONFIG, agent=attrs.evolve(CONFIG.agent, history_turns=0, history_tokens=100)
)


def inside(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def kept(folder: Path) -> list[tuple[int, ...]]:
    return [recording.turns for recording in recordings(folder)]


# --- !forget ---------------------------------------------------------------------


@pytest.mark.parametrize("who", [ANA, EVE])
async def test_recordings_with_their_voice_or_words_go(
    who: Speaker, no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene, recorder = recorded_scene(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        nursery.start_soon(scene.agent.run)
        scene.room.join(ANA, EVE)  # to be there is not to be heard
        await says(scene, BEN)
        await says(scene, who)
        # Ben alone again, but what was said before him is in his prompt.
        await says(scene, BEN)
        assert kept(tmp_path) == [(1,), (2,), (3,)]
        again = attrs.evolve(who, id=77, name=who.name if who is ANA else "Evelyn")
        assert await recorder.forget(again) == 2
        assert kept(tmp_path) == [(1,)]
        assert await recorder.forget(again) == 0
        nursery.cancel_scope.cancel()


async def test_what_is_being_recorded_goes_and_the_next_is_kept(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene, recorder = recorded_scene(tmp_path)
    scene.agent._forgetting.keepers = (recorder,)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        nursery.start_soon(scene.agent.run)
        await in_the_reply(scene)
        # Ben's turn runs on: what remains of the recording is none.
        nursery.start_soon(scene.say, "good evening my dear old friend", BEN)
        await trio.sleep(0.5)
        assert len(inside(tmp_path)) == 1
        scene.room.put(TextMessage(ANA, "!forget", private=True))
        await trio.sleep(1)
        assert inside(tmp_path) == []
        await trio.sleep(6)
        assert inside(tmp_path) == []
        await says(scene, BEN)
        nursery.cancel_scope.cancel()
    (recording,) = recordings(tmp_path)
    assert set(recording.heard) == {BEN.id}
    assert "Ana" not in str(recording.header.memory["exchanges"])
    assert not different(recording)


async def test_a_recording_that_cannot_be_deleted_is_told(
    no_threads: None,
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene, recorder = recorded_scene(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        nursery.start_soon(scene.agent.run)
        await answered(scene)
        with monkeypatch.context() as patch:

            def stuck(*_args: Any, **_how: Any) -> None:
                raise PermissionError(errno.EACCES, "Permission denied")

            patch.setattr(limits.os, "unlink", stuck)
            with pytest.raises(NotDeleted, match="1 of 1"):
                await recorder.forget(ANA)
        broken = make(tmp_path, name="broken") / f.TURN_FILE
        broken.write_text('{"recording": 2, "program": "1"}\n')
        with pytest.raises(NotDeleted, match="1 of 2"):
            await recorder.forget(ANA)
        nursery.cancel_scope.cancel()
    assert "Permission denied" in caplog.text
    assert str(broken.parent) in caplog.text


async def test_who_came_and_spoke_while_it_was_recorded_is_in_it(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene, recorder = recorded_scene(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        nursery.start_soon(scene.agent.run)
        await in_the_reply(scene)
        await says(scene, EVE)
        assert kept(tmp_path) == [(1, 2)]
        # As after a crash: the last line is cut off.
        with (inside(tmp_path)[0] / f.TURN_FILE).open("a") as file:
            file.write('{"what": "joined", "pers')
        assert await recorder.forget(BEN) == 0
        assert await recorder.forget(EVE) == 1
        nursery.cancel_scope.cancel()


async def test_one_in_the_making_that_cannot_be_deleted_is_told(
    no_threads: None,
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scene, recorder = recorded_scene(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        nursery.start_soon(scene.agent.run)
        await in_the_reply(scene, 0.5)

        def stuck(*_args: Any, **_how: Any) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

        monkeypatch.setattr(limits.os, "unlink", stuck)
        with pytest.raises(NotDeleted, match="1 of 1"):
            await recorder.forget(ANA)
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("memory", "theirs"),
    [
        (Memory(), False),
        (Memory(echoing=(EVE.id,)), True),
        (Memory(answered=((EVE.id, 1.0),)), True),
        (Memory(echoing=(ANA.id,), answered=((BEN.id, 1.0),)), False),
        (Memory(exchanges=(Exchange("Evelyn", "", "", EVE.certificate),)), True),
        (Memory(exchanges=(Exchange("Eve", "", ""),)), True),
        (Memory(exchanges=(Exchange("Eve", "", "", "cd" * 20),)), False),
    ],
)
def test_what_was_remembered_of_somebody_is_theirs(
    memory: Memory, theirs: bool
) -> None:
    assert take.Take(0.0, "", "Ana", memory, (), {}).concerns(EVE) is theirs


# --- limits ----------------------------------------------------------------------


async def test_old_ones_go_while_nobody_speaks(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    limit = RecordingConfig(folder=str(tmp_path), max_age_days=1)
    config = attrs.evolve(CONFIG, recording=limit)
    before, later = make(tmp_path, name="before"), make(tmp_path, name="later")
    age(before, days=2)
    age(later, days=0.9)
    async with recording_to(tmp_path, config):
        await trio.sleep(1)
        assert not before.exists(), "at the start"
        assert later.exists()
        age(later, days=1.5)
        await trio.sleep(PRUNE_S)
        assert not later.exists(), "as time goes by"


async def test_the_oldest_go_when_there_is_too_much_and_none_in_the_making(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    limit = RecordingConfig(folder=str(tmp_path), max_mb=1)
    before, later = make(tmp_path, name="before"), make(tmp_path, name="later")
    (before / "spoken.flac").write_bytes(bytes(1_000_000))
    age(before, days=1)
    scene, recorder = recorded_scene(tmp_path, attrs.evolve(CONFIG, recording=limit))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        nursery.start_soon(scene.agent.run)
        await trio.sleep(1)
        assert inside(tmp_path) == [later]
        await in_the_reply(scene, 0.5)
        (making,) = set(inside(tmp_path)) - {later}
        (making / "heard-9.flac").write_bytes(bytes(1_000_000))
        assert recorder._writer is not None
        recorder._writer.prune()
        assert inside(tmp_path) == [making]
        nursery.cancel_scope.cancel()


async def test_a_folder_that_cannot_be_looked_through_is_no_end(
    no_threads: None,
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def stuck(*_args: Any, **_how: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(writer, "pruned", stuck)
    async with recording_to(tmp_path) as scene:
        await answered(scene)
        await answered(scene)
    assert kept(tmp_path) == [(1,), (2,)]
    assert "cannot look for old recordings" in caplog.text


def age(path: Path, days: float) -> None:
    at = (path / f.TURN_FILE).stat().st_mtime - days * 86_400
    os.utime(path / f.TURN_FILE, (at, at))


# --- a disk that hangs -----------------------------------------------------------


async def test_a_disk_that_hangs_holds_nothing_up_and_the_log_says_what_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    append, hung, go_on = RecordingFolder.append, threading.Event(), threading.Event()

    def stuck(self: RecordingFolder, *args: Any) -> None:
        hung.set()
        go_on.wait(60)
        append(self, *args)

    monkeypatch.setattr(RecordingFolder, "append", stuck)
    scene, recorder = recorded_scene(tmp_path)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(recorder.run)
            nursery.start_soon(scene.agent.run)
            scene.room.join(ANA)
            await scene.say("hello")
            with trio.fail_after(20):
                await trio.to_thread.run_sync(hung.wait, 20)
                while not scene.heard:  # noqa: ASYNC110 - the agent goes on
                    await trio.sleep(0.05)
            leaving = trio.current_time()
            nursery.cancel_scope.cancel()
        assert trio.current_time() - leaving < LAST_FLUSH_S + 0.4
    finally:
        go_on.set()
    (record,) = [r for r in caplog.records if "while leaving" in r.message]
    assert str(tmp_path) in record.message
    assert "1 recordings are cut off" in record.message


async def test_what_waits_for_a_disk_that_hangs_is_bounded(
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Nobody writes here: the recorder does not run.
    monkeypatch.setattr(take, "MOST_BYTES", 20_000)
    scene, recorder = recorded_scene(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.agent.run)
        for _ in range(20):
            await answered(scene)
        nursery.cancel_scope.cancel()
    assert len(scene.heard) == 20
    takes = recorder.tape.takes
    assert len(takes) == 16
    assert all(not each.entries and not each.audio for each in takes)
    assert "the disk takes too long" in caplog.text


def test_what_was_written_does_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(take, "MOST_BYTES", 1000)
    made = take.Take(0.0, "", "Ana", Memory(), (), {})
    for _ in range(10):
        made.add(f.Ended(1.0), "spoken", np.zeros(400, np.int16))
        entries, audio = made.drain()
        assert (len(entries), len(audio["spoken"])) == (1, 1)
    assert not made.forgotten


def test_a_recorder_is_a_keeper_of_recordings(tmp_path: Path) -> None:
    assert Recorder(CONFIG).kept == "recordings"
