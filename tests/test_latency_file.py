"""The latency log is private, stays within its limits, and forgets; no line is lost."""

from __future__ import annotations

import datetime
import errno
import json
import os
import stat
import threading
from typing import TYPE_CHECKING, Any

import pytest
import trio

from trioagent.config import JournalConfig
from trioagent.forgetting import NotDeleted
from trioagent.interfaces import Speaker
from trioagent.journal import latency_file, shorter_copy
from trioagent.journal.latency_file import LatencyFile

if TYPE_CHECKING:
    from pathlib import Path

ANA = Speaker(1, 'Ana \u2028 "Lü"')


def row(number: int, speaker: str = "Ben", days_ago: float = 0.0, **more: Any) -> str:
    now = datetime.datetime.now(datetime.UTC)
    label = (now - datetime.timedelta(days=days_ago)).isoformat(timespec="milliseconds")
    line = {"turn": number, "time": label, "speaker": speaker, **more}
    return json.dumps(line, ensure_ascii=False)


def numbers(path: Path) -> list[int]:
    return [json.loads(line)["turn"] for line in path.read_text().split("\n") if line]


def inside(folder: Path) -> list[Path]:
    return list(folder.iterdir())


def made(folder: Path, *lines: str, **config: float) -> LatencyFile:
    file = LatencyFile(folder / "latency.jsonl", JournalConfig(**config))
    for line in lines:
        file.append(line)
    return file


async def kept_for(file: LatencyFile, seconds: float) -> None:
    with trio.move_on_after(seconds):
        await file.run()


def test_a_new_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        file = made(tmp_path, row(1))
        assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
        file.append(row(2))
    finally:
        os.umask(before)
    assert numbers(file.path) == [1, 2]


async def test_older_lines_go_and_the_mode_stays(tmp_path: Path) -> None:
    lines = [row(1, days_ago=3), row(2, days_ago=1.1), row(3, days_ago=0.9), row(4)]
    file = made(tmp_path, *lines, max_age_days=1)
    file.append('{"turn": 5}')  # nobody knows how old it is
    file.path.chmod(0o640)
    left = tmp_path / "latency.jsonl.01234567.part"
    left.write_text("left by a process that was killed")
    await kept_for(file, 0.5)
    assert numbers(file.path) == [3, 4, 5]
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o640
    assert inside(tmp_path) == [file.path]


async def test_while_it_runs_the_older_half_of_a_large_file_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency_file, "CHECK_S", 0.02)
    file = made(tmp_path, max_mb=0.01)
    written = 0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.run)
        for written in range(1, 400):
            file.append(row(written))
            await trio.sleep(0.002)
        await trio.sleep(0.2)
        nursery.cancel_scope.cancel()
    left = numbers(file.path)
    assert left == list(range(left[0], written + 1)), "the newest, without a gap"
    assert 50 < len(left) < written
    assert file.path.stat().st_size < 10_000
    assert inside(tmp_path) == [file.path]


async def test_lines_that_come_while_it_is_rewritten_are_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    real = os.fsync

    def slow(fd: int) -> None:
        begun.set()
        go_on.wait(20)
        real(fd)

    monkeypatch.setattr(shorter_copy.os, "fsync", slow)
    file = made(tmp_path, row(1, ANA.name), row(2))
    deleted: list[int] = []

    async def forget() -> None:
        deleted.append(await file.forget(ANA))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(forget)
        await trio.to_thread.run_sync(begun.wait, 20)
        file.append(row(3))
        file.append(row(4, ANA.name))
        go_on.set()
    assert numbers(file.path) == [2, 3]
    assert deleted == [2]


async def test_cancelled_it_is_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(_fd: int) -> None:
        begun.set()
        go_on.wait(20)

    monkeypatch.setattr(shorter_copy.os, "fsync", slow)
    file = made(tmp_path, row(1, ANA.name), row(2))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.forget, ANA)
        await trio.to_thread.run_sync(begun.wait, 20)
        before = trio.current_time()
        nursery.cancel_scope.cancel()
    assert trio.current_time() - before < 1
    file.append(row(3))
    go_on.set()
    with trio.fail_after(20):
        while len(inside(tmp_path)) > 1:  # noqa: ASYNC110 - only the disk tells
            await trio.sleep(0.01)
    assert numbers(file.path) == [1, 2, 3]


async def test_a_full_disk_keeps_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(_fd: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    file = made(tmp_path, row(1, ANA.name, days_ago=9), row(2), max_age_days=1)
    monkeypatch.setattr(shorter_copy.os, "fsync", full)
    with pytest.raises(NotDeleted, match="No space left on device"):
        await file.forget(ANA)
    await kept_for(file, 0.5)
    assert numbers(file.path) == [1, 2]
    assert inside(tmp_path) == [file.path]
    assert caplog.text.count("No space left on device") == 2
    assert str(file.path) in caplog.text


async def test_only_lines_with_the_name_are_forgotten(tmp_path: Path) -> None:
    file = made(tmp_path, row(1, ANA.name), row(2, "Ana"), row(3, by=ANA.name))
    torn = row(4, ANA.name, outcome="answered")[:-9]
    file.append(torn)
    file.append("[]")
    assert await file.forget(ANA) == 2
    assert file.path.read_text().count("\n") == 3
    assert torn not in file.path.read_text()
    before = file.path.stat().st_ino
    assert await file.forget(ANA) == 0
    assert file.path.stat().st_ino == before, "nothing to do"
    file.path.unlink()
    assert await file.forget(ANA) == 0
    assert not file.path.exists()


async def test_a_file_that_another_process_has_replaced_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = made(tmp_path, row(1, ANA.name))

    def replaced(_fd: int) -> None:
        other = tmp_path / "other"
        other.write_text(row(7) + "\n")
        other.rename(file.path)

    monkeypatch.setattr(shorter_copy.os, "fsync", replaced)
    with pytest.raises(NotDeleted):
        await file.forget(ANA)
    assert numbers(file.path) == [7]
    file.append(row(8))
    assert numbers(file.path) == [7, 8]


def test_a_line_that_does_not_fit_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, write = made(tmp_path, row(1)), os.write
    with monkeypatch.context() as patch:
        patch.setattr(latency_file.os, "write", lambda fd, data: write(fd, data[:9]))
        with pytest.raises(OSError, match="No space left on device"):
            file.append(row(2))
    file.append(row(3))
    assert numbers(file.path) == [1, 3]


async def test_lines_that_grow_old_go_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency_file, "CHECK_S", 0.02)
    monkeypatch.setattr(latency_file, "AGE_CHECK_S", 0.1)
    file = made(tmp_path, row(1), max_age_days=1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.run)
        await trio.sleep(0.05)
        file.append(row(2, days_ago=2))
        with trio.fail_after(20):
            while numbers(file.path) != [1]:  # noqa: ASYNC110 - only the disk tells
                await trio.sleep(0.02)
        nursery.cancel_scope.cancel()


async def test_two_are_forgotten_at_once_and_a_link_stays_one(tmp_path: Path) -> None:
    real = made(tmp_path, row(1, ANA.name), row(2), row(3, "Cleo"))
    link = tmp_path / "link"
    link.symlink_to(real.path)
    file = LatencyFile(link, JournalConfig())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(file.forget, ANA)
        nursery.start_soon(file.forget, Speaker(2, "Cleo"))
    assert link.is_symlink()
    assert numbers(real.path) == [2]


def test_a_pipe_that_nobody_reads_holds_nothing_up(tmp_path: Path) -> None:
    file, found = made(tmp_path), []
    os.mkfifo(file.path)

    def append() -> None:
        try:
            file.append(row(1))
        except OSError as error:
            found.append(error.errno)

    thread = threading.Thread(target=append, daemon=True)
    thread.start()
    thread.join(20)
    if thread.is_alive():
        os.close(os.open(file.path, os.O_RDONLY | os.O_NONBLOCK))
    assert found == [errno.ENXIO]
