"""Old recordings go, and nothing else does."""

from __future__ import annotations

import errno
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers_recordings import make
from trioagent.recording.limits import prune
from trioagent.recording.reader import find

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

NOW = 1_000_000.0
DAY_S = 86_400.0
PLENTY = 10**9


def written(path: Path, age_s: float) -> Path:
    os.utime(path / "turn.jsonl", (NOW - age_s, NOW - age_s))
    return path


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir())


def four(parent: Path) -> list[Path]:
    """Recordings of equal size, oldest first; their names say nothing of their age."""
    names = ["d", "b", "a", "c"]
    return [
        written(make(parent, name=name), age_s)
        for name, age_s in zip(names, (400, 300, 200, 100), strict=True)
    ]


def pruned(
    parent: Path,
    *,
    max_bytes: int = PLENTY,
    max_age_s: float = DAY_S,
    keep: Collection[Path] = (),
) -> list[Path]:
    return prune(parent, max_bytes=max_bytes, max_age_s=max_age_s, now=NOW, keep=keep)


def test_within_the_limits_nothing_goes(tmp_path: Path) -> None:
    made = four(tmp_path)
    total = sum(map(size, made))
    assert pruned(tmp_path, max_bytes=total, max_age_s=400) == []
    assert find([tmp_path]) == sorted(made)


@pytest.mark.parametrize(
    ("spare", "gone"), [(0, 0), (-1, 1), (-2000, 2), (-(10**6), 4)]
)
def test_the_oldest_go_until_there_is_room(
    tmp_path: Path, spare: int, gone: int
) -> None:
    made = four(tmp_path)
    one = size(made[0])
    assert 1000 < one < 2000
    max_bytes = 4 * one + spare
    assert pruned(tmp_path, max_bytes=max_bytes) == made[:gone]
    assert [path for path in made if path.exists()] == made[gone:]


def test_what_is_too_old_goes_though_there_is_room(tmp_path: Path) -> None:
    made = four(tmp_path)
    assert pruned(tmp_path, max_age_s=250) == made[:2]
    assert pruned(tmp_path, max_age_s=250) == []
    assert sorted(tmp_path.iterdir()) == sorted(made[2:])


def test_what_is_being_made_stays_and_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = four(tmp_path)
    one = size(made[0])
    # Named otherwise than it is found.
    monkeypatch.chdir(tmp_path)
    kept = [tmp_path.relative_to(tmp_path) / made[0].name]
    assert pruned(tmp_path, max_bytes=2 * one, keep=kept) == made[1:3]
    assert pruned(tmp_path, max_bytes=0, max_age_s=0, keep=[made[0]]) == made[3:]
    assert made[0].exists()


def test_raw_and_half_encoded_recordings_go_too(tmp_path: Path) -> None:
    path = make(tmp_path, finish=False)
    (path / "spoken.flac.part").touch()
    newer = make(tmp_path)
    (newer / "turn.jsonl").write_text('{"recording": 99, "program": "9", "x": []}\n?')
    assert sorted(pruned(tmp_path, max_bytes=0)) == [path, newer]
    assert list(tmp_path.iterdir()) == []


def linked(parent: Path) -> None:
    outside = make(parent.parent / "outside")
    (parent / "thing").symlink_to(outside)


def linked_lines(parent: Path) -> None:
    outside = make(parent.parent / "outside")
    shutil.copytree(outside, parent / "thing")
    (parent / "thing" / "turn.jsonl").unlink()
    (parent / "thing" / "turn.jsonl").symlink_to(outside / "turn.jsonl")


def foreign(content: bytes) -> Callable[[Path], None]:
    def put(parent: Path) -> None:
        (parent / "thing").mkdir()
        (parent / "thing" / "turn.jsonl").write_bytes(content)

    return put


def pipe(parent: Path) -> None:
    (parent / "thing").mkdir()
    os.mkfifo(parent / "thing" / "turn.jsonl")


def a_file(parent: Path) -> None:
    (parent / "thing").write_bytes(b'{"recording":1,"program":"1"}\n')


def deeper(parent: Path) -> None:
    make(parent / "thing")


def music(parent: Path) -> None:
    (parent / "thing").mkdir()
    (parent / "thing" / "spoken.flac").write_bytes(b"mine")


@pytest.mark.parametrize(
    "put",
    [
        linked,
        linked_lines,
        pipe,
        a_file,
        deeper,
        music,
        foreign(b""),
        foreign(b"hello\n"),
        foreign(b"[]\n"),
        foreign(b"[" * 99_999),
        foreign(b'{"turn": 1}\n'),
        foreign(b'{"recording": "of a concert", "program": "x"}\n'),
        foreign(b'{"recording": 1}\n'),
        foreign(b'\xff\n{"recording":1,"program":"1"}\n'),
    ],
)
def test_what_is_no_recording_of_ours_is_never_touched(
    tmp_path: Path, put: Callable[[Path], None]
) -> None:
    parent = tmp_path / "recordings"
    ours = make(parent)
    put(parent)
    before = sorted(tmp_path.rglob("*"))
    assert pruned(parent, max_bytes=0, max_age_s=0) == [ours]
    after = sorted(tmp_path.rglob("*"))
    assert after == [p for p in before if p != ours and ours not in p.parents]


def test_what_others_put_into_a_recording_stays(tmp_path: Path) -> None:
    path = make(tmp_path / "recordings")
    outside = tmp_path / "outside"
    outside.write_text("mine")
    (path / "notes.txt").write_text("mine, too")
    (path / "heard-notes.flac").write_text("also mine")
    (path / "heard-3.flac").symlink_to(outside)
    assert pruned(tmp_path / "recordings", max_bytes=0) == [path]
    assert {file.name for file in path.iterdir()} == {"notes.txt", "heard-notes.flac"}
    assert outside.read_text() == "mine"
    assert pruned(tmp_path / "recordings", max_bytes=0) == []


def test_what_cannot_be_deleted_is_told_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = four(tmp_path)
    stuck = made[1]
    inode = stuck.stat().st_ino
    real = os.unlink

    def unlink(path: Any, *, dir_fd: int | None = None) -> None:
        if dir_fd is not None and os.fstat(dir_fd).st_ino == inode:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        real(path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "unlink", unlink)
    # The next oldest goes in its place.
    one = size(made[0])
    assert pruned(tmp_path, max_bytes=2 * one) == [made[0], made[2]]
    assert stuck.exists()
    (record,) = caplog.records
    assert str(stuck) in record.getMessage()
    assert "Permission denied" in record.getMessage()


def test_a_deletion_that_broke_off_is_ended_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path)
    real, calls = os.unlink, iter(range(99))

    def unlink(name: Any, *, dir_fd: int | None = None) -> None:
        if next(calls) == 2:
            raise OSError(errno.EIO, "Input/output error")
        real(name, dir_fd=dir_fd)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", unlink)
        assert pruned(tmp_path, max_bytes=0) == []
    assert len(list(path.iterdir())) == 3
    assert pruned(tmp_path, max_bytes=0) == [path]


def test_no_folder_no_recordings(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert pruned(tmp_path / "no") == []
    assert not caplog.records
    (tmp_path / "file").touch()
    assert pruned(tmp_path / "file") == []
    assert "cannot look for old recordings" in caplog.text


@given(
    ages=st.lists(st.integers(-5, 20), max_size=5),
    room=st.integers(0, 6),
    max_age=st.integers(0, 20),
)
@settings(max_examples=25, deadline=None)
def test_what_is_left_is_within_the_limits_and_newer_than_what_went(
    tmp_path_factory: pytest.TempPathFactory, ages: list[int], room: int, max_age: int
) -> None:
    parent = tmp_path_factory.mktemp("r")
    made = {written(make(parent, []), age): age for age in ages}
    one = size(next(iter(made))) if made else 0
    deleted = pruned(parent, max_bytes=room * one, max_age_s=max_age)
    left = [path for path in made if path.exists()]
    assert set(deleted) | set(left) == set(made)
    assert len(left) == min(room, len([age for age in ages if age <= max_age]))
    assert all(made[path] <= max_age for path in left)
    if left and deleted:
        assert max(made[p] for p in left) <= min(made[p] for p in deleted)
    assert [made[p] for p in deleted] == sorted(
        (made[p] for p in deleted), reverse=True
    )
