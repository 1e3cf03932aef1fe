"""The socket on which the agent tells how it is, its clients good and bad."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import socket
import stat
from functools import partial
from typing import TYPE_CHECKING

import pytest
import trio

from tests.e2e.murmur import until
from trioagent.cli import main
from trioagent.supervision import local_socket
from trioagent.supervision.board import StatusBoard
from trioagent.supervision.local_socket import (
    NobodyAnswers,
    answer_at,
    ask,
    socket_path,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

HEALTHY = {"healthy": True, "state": "listening"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "status.socket"


async def asked(path: Path) -> dict[str, object]:
    return await trio.to_thread.run_sync(ask, path)


async def listening(path: Path, before: int | None = None) -> None:
    await until(lambda: path.exists() and path.lstat().st_ino != before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


async def test_whoever_connects_is_answered(path: Path, nursery: trio.Nursery) -> None:
    nursery.start_soon(answer_at, path, lambda: HEALTHY)
    await listening(path)
    assert await asked(path) == HEALTHY
    assert mode(path) == 0o600
    assert mode(path.parent) == 0o700


async def test_a_path_may_be_as_long_as_paths_of_sockets_are(
    tmp_path: Path, nursery: trio.Nursery
) -> None:
    folder = tmp_path / ("x" * (107 - len(f"{tmp_path}//status.socket")))
    path = folder / "status.socket"
    nursery.start_soon(answer_at, path, lambda: HEALTHY)
    await listening(path)
    assert await asked(path) == HEALTHY


async def test_leaving_removes_it(path: Path) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_at, path, lambda: HEALTHY)
        await listening(path)
        nursery.cancel_scope.cancel()
    assert not path.exists()  # noqa: ASYNC240 - a local folder of this test
    with pytest.raises(NobodyAnswers, match=str(path)):
        await asked(path)


async def test_a_dead_agents_socket_is_replaced(
    path: Path, nursery: trio.Nursery
) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    before = path.lstat().st_ino  # noqa: ASYNC240 - a local folder of this test
    nursery.start_soon(answer_at, path, lambda: HEALTHY)
    await listening(path, before)
    assert await asked(path) == HEALTHY


async def test_a_living_ones_is_respected(
    path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    nursery.start_soon(answer_at, path, lambda: {"first": True})
    await listening(path)
    await answer_at(path, lambda: {"first": False})
    assert "another agent answers there" in caplog.text
    assert str(path) in caplog.text
    assert await asked(path) == {"first": True}


@pytest.mark.parametrize("what", ["file", "folder", "too long", "no folder"])
async def test_where_none_can_be_made_there_is_a_warning(
    what: str, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path.parent.mkdir()
    if what == "file":
        path.write_text("precious")  # noqa: ASYNC240 - a local folder of this test
    elif what == "folder":
        path.mkdir()  # noqa: ASYNC240 - a local folder of this test
    elif what == "too long":
        path = path.with_name(200 * "x")
    else:
        path.write_text("precious")
        path = path / "status.socket"
    await answer_at(path, lambda: HEALTHY)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    if what == "file":
        assert path.read_text() == "precious"


async def test_a_client_that_never_reads_is_given_up(
    path: Path, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    large = {"errors": 1_000_000 * "x"}
    nursery.start_soon(answer_at, path, lambda: large)
    await trio.testing.wait_all_tasks_blocked()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        # No other task remains for it a second later.
        await trio.sleep(local_socket.ANSWER_S + 1)
        client.settimeout(5)
        size = 0
        while piece := client.recv(1 << 20):
            size += len(piece)
    assert 0 < size < 1_000_000


async def test_a_crowd_waits_and_nobody_is_lost(
    path: Path, nursery: trio.Nursery
) -> None:
    nursery.start_soon(answer_at, path, lambda: HEALTHY)
    await listening(path)
    answers: list[dict[str, object]] = []

    async def one() -> None:
        answers.append(await trio.to_thread.run_sync(partial(ask, path, 10)))

    with contextlib.ExitStack() as stack:
        for _ in range(8):
            idle = stack.enter_context(socket.socket(socket.AF_UNIX))
            idle.connect(str(path))  # and says nothing, and does not read
        async with trio.open_nursery() as crowd:
            for _ in range(8):
                crowd.start_soon(one)
    assert answers == [HEALTHY] * 8


async def test_a_client_that_goes_at_once_harms_nobody(
    path: Path, nursery: trio.Nursery
) -> None:
    nursery.start_soon(answer_at, path, lambda: {"errors": 100_000 * "x"})
    await listening(path)
    for _ in range(5):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.send(b"\xff\x00 what a client says is not read")
    assert "errors" in await asked(path)


async def test_a_mistake_of_the_board_costs_the_answer_alone(
    path: Path, nursery: trio.Nursery, caplog: pytest.LogCaptureFixture
) -> None:
    reports = iter([None, HEALTHY])

    def report() -> Mapping[str, object]:
        found = next(reports)
        if found is None:
            raise ZeroDivisionError
        return found

    nursery.start_soon(answer_at, path, report)
    await listening(path)
    with pytest.raises(NobodyAnswers):
        await asked(path)
    assert "the status cannot be told" in caplog.text
    assert await asked(path) == HEALTHY


async def test_what_answers_may_be_no_agent(path: Path, nursery: trio.Nursery) -> None:
    path.parent.mkdir()
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        with pytest.raises(NobodyAnswers, match="timed out"):
            await trio.to_thread.run_sync(partial(ask, path, 0.1))
    path.unlink()  # noqa: ASYNC240 - a local folder of this test
    nursery.start_soon(answer_at, path, list)
    await listening(path)
    with pytest.raises(NobodyAnswers, match="no agent"):
        await asked(path)


def test_where_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert socket_path("") == tmp_path / "trioagent" / "status.socket"
    assert str(socket_path("/run/x")) == "/run/x"
    assert socket_path("off") is None


async def test_a_folder_of_somebody_else_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (tmp_path / "trioagent").symlink_to(theirs)
    found = socket_path("")
    assert found is not None
    await answer_at(found, lambda: HEALTHY)
    assert "belongs to somebody else" in caplog.text
    assert not any(theirs.iterdir())


async def test_a_client_that_cannot_be_taken_ends_nothing(
    path: Path, nursery: trio.Nursery, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trio.socket.socket(socket.AF_UNIX) as any_socket:
        kind = type(any_socket)
    accept, refused = kind.accept, []

    async def once_without_files(self: trio.socket.SocketType) -> object:
        if not refused:
            refused.append(self)
            raise OSError(errno.EMFILE, "Too many open files")
        return await accept(self)

    monkeypatch.setattr(kind, "accept", once_without_files)
    nursery.start_soon(answer_at, path, lambda: HEALTHY)
    await listening(path)
    assert await asked(path) == HEALTHY
    assert refused


async def test_a_folder_that_others_may_enter_is_closed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, nursery: trio.Nursery
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "trioagent").mkdir()
    (tmp_path / "trioagent").chmod(0o755)
    found = socket_path("")
    assert found is not None
    nursery.start_soon(answer_at, found, lambda: HEALTHY)
    await listening(found)
    assert mode(found.parent) == 0o700


async def test_a_folder_of_another_user_is_not_used(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "trioagent").mkdir(mode=0o700)
    monkeypatch.setattr("os.geteuid", lambda: 54321)
    found = socket_path("")
    assert found is not None
    with trio.move_on_after(10):
        await answer_at(found, lambda: HEALTHY)
    assert "belongs to somebody else" in caplog.text


async def test_who_ends_leaves_the_socket_of_another_that_took_over(path: Path) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(answer_at, path, lambda: HEALTHY)
        await listening(path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(f"{path}.new")
        path.with_name(f"{path.name}.new").rename(path)
        nursery.cancel_scope.cancel()
    assert path.exists()  # noqa: ASYNC240 - a local folder of this test


async def test_what_a_killed_one_left_behind_is_no_obstacle(
    path: Path, nursery: trio.Nursery
) -> None:
    path.parent.mkdir()
    path.with_name(f".{os.getpid()}").touch()
    nursery.start_soon(answer_at, path, lambda: HEALTHY)
    await listening(path)
    assert await asked(path) == HEALTHY


async def test_who_asks_reads_only_so_much(path: Path, nursery: trio.Nursery) -> None:
    large = {"errors": 3 * local_socket.MAX_ANSWER * "x"}
    nursery.start_soon(answer_at, path, lambda: large)
    await listening(path)
    with pytest.raises(NobodyAnswers, match=str(path)):
        await asked(path)


# --- the command -------------------------------------------------------------------


def test_nobody_answers(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--socket", str(path)]) == 1
    out, err = capsys.readouterr()
    assert not out
    assert str(path) in err


def test_where_it_is_off_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["status", "--set", "status.socket=off"]) == 2
    assert '[status] socket = "off"' in capsys.readouterr().err


@pytest.mark.parametrize("healthy", [True, False])
async def test_the_exit_status_says_how_it_is(
    healthy: bool,
    path: Path,
    nursery: trio.Nursery,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = {**StatusBoard().report(), "healthy": healthy}
    nursery.start_soon(answer_at, path, lambda: report)
    await listening(path)
    words = ["status", "--socket", str(path)]
    expected = 0 if healthy else 1
    assert await trio.to_thread.run_sync(main, [*words, "--json"]) == expected
    assert json.loads(capsys.readouterr().out)["healthy"] is healthy
    assert await trio.to_thread.run_sync(main, words) == expected
    assert ("NOT WELL" in capsys.readouterr().out) is not healthy
