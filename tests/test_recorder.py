"""Recordings come to the disk as they are made, and a disk that fails costs no turn."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trio.testing

from tests.fakes import ANA
from tests.helpers_replay import different, recorded_scene, recording_to, recordings
from tests.replay_stories import answered, in_the_reply
from tests.scene import CONFIG, Scene
from trioagent.app import recorded
from trioagent.config import RecordingConfig
from trioagent.errors import ConfigError
from trioagent.recording import folder as recording_folder
from trioagent.recording.folder import RecordingFolder
from trioagent.recording.reader import load
from trioagent.recording.recorder import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable

    from trio.testing import MockClock


@pytest.fixture
def no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A virtual clock does not wait for threads."""

    async def inline(fn: Callable[..., Any], *args: Any, **_how: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return fn(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)


def only(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def finished(folder: Path) -> bool:
    """Whether the recording in it is all written."""
    texts = [path.read_text() for path in folder.rglob("turn.jsonl")]
    return any('"ended"' in x for x in texts) and not list(folder.rglob("*.p*"))


def open_files() -> list[str]:
    """Which files of recordings this process has open."""
    links = []
    for link in Path("/proc/self/fd").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            links.append(str(link.readlink()))
    return [link for link in links if "turn.jsonl" in link or ".pcm" in link]


# --- on the disk -----------------------------------------------------------------


async def test_what_happens_is_on_the_disk_within_half_a_second(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    async with recording_to(tmp_path) as scene:
        await in_the_reply(scene, 0.5)
        now = trio.current_time()
        path = only(tmp_path)
        cut = load(path)
        assert not cut.complete
        began = scene.find("speech_started").t
        assert cut.length_s > now - 0.5 - 0.06 - began - 0.001
        assert len(cut.heard[ANA.id]) == 0.6 * 16_000
        assert len(cut.spoken) >= (0.5 - 0.2) * 24_000
        assert not different(cut)
        await trio.sleep(4)
        whole = load(path)
        assert whole.complete
        names = {file.name for file in path.iterdir()}
        assert names == {
            "turn.jsonl",
            "heard-1.flac",
            "synthesized.flac",
            "spoken.flac",
        }
        assert len(whole.spoken) == len(scene.room.spoken)
        assert not open_files()


async def test_a_shutdown_in_the_middle_leaves_what_there_is(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    scene, recorder = recorded_scene(tmp_path)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(recorder.run)
        nursery.start_soon(scene.agent.run)
        await in_the_reply(scene, 0.517)
        nursery.cancel_scope.cancel()
    (cut,) = recordings(tmp_path)
    assert not cut.complete
    assert len(cut.warnings) == 1
    assert "cut off after" in cut.warnings[0]
    # Up to the last frame.
    assert len(cut.spoken) == len(scene.room.spoken)
    assert not different(cut)
    assert not open_files()


async def test_with_threads_in_real_time(tmp_path: Path) -> None:
    async with recording_to(tmp_path) as scene:
        scene.room.join(ANA)
        await scene.say("hello")
        with trio.fail_after(20):
            while not finished(tmp_path):  # noqa: ASYNC110 - only the disk tells
                await trio.sleep(0.05)
    (recording,) = recordings(tmp_path)
    assert recording.events(1)[-1].data["heard"] == "you said hello."


async def test_a_kept_folder_is_private_and_named(
    no_threads: None, tmp_path: Path, autojump_clock: MockClock
) -> None:
    folder = tmp_path / "new" / "recordings"
    _, recorder = recorded_scene(folder)
    recorder.check_folder()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert not list(folder.iterdir()), "looking leaves nothing"
    async with recording_to(folder) as scene:
        await answered(scene)
    path = only(folder)
    assert path.name.endswith("Z-1-Ana")
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


WRITING = [
    (RecordingFolder, "create"),
    (RecordingFolder, "append"),
    (recording_folder, "pcm_to_flac"),
]


# --- a disk that fails -----------------------------------------------------------


@pytest.mark.parametrize(("where", "method"), WRITING)
async def test_a_full_disk_costs_only_the_recording(
    where: object,
    method: str,
    no_threads: None,
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    caplog.set_level(logging.DEBUG, logger="trioagent.recording")
    async with recording_to(tmp_path) as scene:
        with monkeypatch.context() as patch:
            patch.setattr(where, method, full)
            await answered(scene)
            await answered(scene)
        assert len(scene.heard) == 2, "the agent goes on"
        records = [r for r in caplog.records if "cannot" in r.message]
        assert [r.levelno for r in records] == [logging.WARNING, logging.DEBUG]
        assert "No space left on device" in records[0].message
        assert str(tmp_path) in records[0].message
        assert not open_files()
        await answered(scene)
    kept = {recording.turns: recording.complete for recording in recordings(tmp_path)}
    assert kept.pop((3,))
    # What was written before is there.
    lost = {
        "create": {},
        "append": {(): False},
        "pcm_to_flac": dict.fromkeys([(1,), (2,)], True),
    }
    assert kept == lost[method]
    assert len(records) == 2, "no new warning"


async def test_a_disk_that_is_full_again_is_told_again(
    no_threads: None,
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_args: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async with recording_to(tmp_path) as scene:
        for is_full in (True, False, True):
            with monkeypatch.context() as patch:
                if is_full:
                    patch.setattr(RecordingFolder, "append", full)
                await answered(scene)
    assert caplog.text.count("cannot record into") == 2


async def test_room_in_the_middle_of_a_turn_is_for_the_next(
    no_threads: None,
    tmp_path: Path,
    autojump_clock: MockClock,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    append = RecordingFolder.append
    calls = []

    def once_full(self: RecordingFolder, *args: Any) -> None:
        calls.append(1)
        if len(calls) == 4:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        append(self, *args)

    monkeypatch.setattr(RecordingFolder, "append", once_full)
    async with recording_to(tmp_path) as scene:
        await answered(scene)
        await answered(scene)
    first, second = recordings(tmp_path)
    assert not first.complete
    assert not different(first)
    assert second.complete
    assert len([r for r in caplog.records if "cannot record" in r.message]) == 1


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.parent.mkdir() or path.write_text(""), "File exists"),
        (lambda path: path.parent.mkdir() or path.symlink_to(path), "File exists"),
        (lambda path: path.parent.write_text(""), "Not a directory"),
    ],
)
def test_a_folder_that_cannot_be(make: Any, why: str, tmp_path: Path) -> None:
    folder = (
        tmp_path / "a" / "b" if "parent" in make.__code__.co_names else tmp_path / "f"
    )
    make(folder)
    config = attrs.evolve(CONFIG, recording=RecordingConfig(folder=str(folder)))
    with pytest.raises(ConfigError) as caught:
        Recorder(config).check_folder()
    what = f"recording.folder: cannot record into {folder}: {why}"
    assert caught.value.message == what
    assert caught.value.hint


# --- beside an agent -----------------------------------------------------------------


async def test_a_bug_of_a_recorder_costs_the_recordings_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_self: Recorder) -> None:
        await trio.lowlevel.checkpoint()
        raise ZeroDivisionError

    monkeypatch.setattr(Recorder, "run", broken)
    recording = RecordingConfig(folder=str(tmp_path))
    parts, config = Scene().agent.parts, attrs.evolve(CONFIG, recording=recording)
    async with recorded(parts, config):
        await trio.testing.wait_all_tasks_blocked()
    assert "nothing is recorded any more" in caplog.text


async def test_an_agent_that_cannot_record_does_not_start(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    recording = RecordingConfig(folder=str(tmp_path / "file"))
    parts, config = Scene().agent.parts, attrs.evolve(CONFIG, recording=recording)
    with pytest.raises(ConfigError, match="cannot record into"):
        async with recorded(parts, config):
            pass
