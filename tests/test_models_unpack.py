"""Archives that want more than to be unpacked."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import random
import stat
import tarfile
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.helpers_models import FILES, content_of, link, tar_of, tar_with
from trioagent.models.errors import ModelError
from trioagent.models.unpack import Limits, Unpacking

if TYPE_CHECKING:
    from pathlib import Path

LIMITS = Limits(total_bytes=1_000_000, members=50)
FILE = tarfile.TarInfo("a/file")


def unpack(archive: bytes, tmp_path: Path, limits: Limits = LIMITS) -> dict[str, bytes]:
    packed = tmp_path / "archive"
    packed.write_bytes(archive)
    into = tmp_path / "into"
    into.mkdir()
    Unpacking(packed, into, limits, lambda done, total: None).run()
    assert all(path.is_dir() or path.is_file() for path in into.rglob("*"))
    assert not any(path.is_symlink() for path in into.rglob("*"))
    return content_of(into)


def zip_with(members: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for info, data in members:
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["", "gz", "bz2", "xz"])
def test_tar_of_every_compression(tmp_path: Path, kind: str) -> None:
    assert unpack(tar_of(FILES, kind), tmp_path) == FILES


def test_zip(tmp_path: Path) -> None:
    members = [(zipfile.ZipInfo(name), data) for name, data in FILES.items()]
    assert (
        unpack(zip_with([(zipfile.ZipInfo("tiny/"), b""), *members]), tmp_path) == FILES
    )


OUTSIDE = ["../evil", "a/../../evil", "/tmp/evil", "a\\..\\..\\evil", "C:/evil"]


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_path_of_a_tar_leads_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="evil"):
        unpack(tar_of({"a/file": b"1", name: b"2"}), tmp_path)
    assert not list(tmp_path.glob("evil"))


@pytest.mark.parametrize("name", OUTSIDE)
def test_no_path_of_a_zip_leads_out(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="evil"):
        unpack(zip_with([(zipfile.ZipInfo(name), b"2")]), tmp_path)
    assert not list(tmp_path.glob("evil"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("target", ["/etc/passwd", "../../archive", "nowhere"])
def test_no_link_leads_out(tmp_path: Path, target: str, kind: bytes) -> None:
    members = [(FILE, b"1"), (link("a/link", target, kind), b"")]
    with pytest.raises(ModelError, match="link"):
        unpack(tar_with(members), tmp_path)


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    members = [
        (FILE, b"1"),
        (link("a/here", "."), b""),
        (tarfile.TarInfo("a/here/file"), b"2"),
    ]
    with pytest.raises(ModelError, match="a/here"):
        unpack(tar_with(members), tmp_path)


def test_a_link_within_becomes_a_copy(tmp_path: Path) -> None:
    members = [
        (tarfile.TarInfo("a/b/file"), b"1"),
        (link("a/sym", "b/file"), b""),
        (link("a/c/up", "../b/file"), b""),
        (link("a/hard", "a/b/file", tarfile.LNKTYPE), b""),
    ]
    names = ("a/b/file", "a/c/up", "a/hard", "a/sym")
    assert unpack(tar_with(members), tmp_path) == dict.fromkeys(names, b"1")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_no_device_is_made(tmp_path: Path, kind: bytes) -> None:
    device = tarfile.TarInfo("a/null")
    device.type = kind
    with pytest.raises(ModelError, match="a/null"):
        unpack(tar_with([(device, b"")]), tmp_path)


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFIFO])
def test_no_link_in_a_zip(tmp_path: Path, mode: int) -> None:
    info = zipfile.ZipInfo("a/link")
    info.external_attr = (mode | 0o777) << 16
    with pytest.raises(ModelError, match="a/link is neither"):
        unpack(zip_with([(info, b"/etc/passwd")]), tmp_path)


def test_rights_in_the_archive_do_not_count(tmp_path: Path) -> None:
    info = tarfile.TarInfo("program")
    info.mode = 0o6777
    unpack(tar_with([(info, b"1")]), tmp_path)
    assert (tmp_path / "into/program").stat().st_mode & 0o7111 == 0


def test_a_member_does_not_replace_another(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="File exists"):
        unpack(tar_with([(FILE, b"1"), (tarfile.TarInfo("a/file"), b"2")]), tmp_path)


@pytest.mark.parametrize("name", ["", ".", "a/file/below", "x" * 300])
def test_a_name_that_cannot_be_a_file(name: str, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be unpacked"):
        unpack(tar_with([(FILE, b"1"), (tarfile.TarInfo(name), b"2")]), tmp_path)


def test_a_member_without_a_name(tmp_path: Path) -> None:
    # What comes after a NUL does not count.
    whole = zip_with([(zipfile.ZipInfo("name"), b"1")])
    with pytest.raises(ModelError, match="no name"):
        unpack(whole.replace(b"name", b"\0ame"), tmp_path)


def test_a_member_that_is_encrypted(tmp_path: Path) -> None:
    whole = bytearray(zip_with([(zipfile.ZipInfo("name"), b"1")]))
    whole[6] |= 1
    whole[whole.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(ModelError, match="name is encrypted"):
        unpack(bytes(whole), tmp_path)


def test_a_full_disk_is_no_fault_of_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_how: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Unpacking, "_write", full)
    with pytest.raises(OSError, match="No space left on device"):
        unpack(tar_of(FILES, "gz"), tmp_path)


def test_progress_goes_up_to_all_bytes(tmp_path: Path) -> None:
    packed, told = tmp_path / "archive", []
    packed.write_bytes(tar_of({"a": bytes(300_000), "b": b"1"}, ""))
    Unpacking(packed, tmp_path / "into", LIMITS, lambda *at: told.append(at)).run()
    done = [done for done, _ in told]
    assert done == sorted(done)
    assert told[-1] == (300_001, LIMITS.total_bytes)


BOMB = bytes(3_000_000)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_a_bomb_does_not_go_off(tmp_path: Path, kind: str) -> None:
    """Neither one that is too big nor one that is only too dense."""
    for number, limits in enumerate([LIMITS, Limits(total_bytes=10**9)]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ModelError, match="unpacks to more than"):
            unpack(tar_of({"bomb": BOMB}, kind), folder, limits)
        written = folder / "into/bomb"
        assert not written.exists() or written.stat().st_size <= 1_000_000


def test_a_bomb_in_a_zip(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="unpacks to more than"):
        unpack(zip_with([(zipfile.ZipInfo("bomb"), BOMB)]), tmp_path)


def test_a_bomb_in_a_header(tmp_path: Path) -> None:
    """tarfile would read the name into memory, all of it."""
    name = tarfile.TarInfo("././@LongLink")
    name.type, name.size = tarfile.GNUTYPE_LONGNAME, len(BOMB)
    plain = name.tobuf(tarfile.GNU_FORMAT) + BOMB + bytes(512) + FILE.tobuf()
    with pytest.raises(ModelError, match="header"):
        unpack(bz2.compress(plain), tmp_path)


def test_a_bomb_after_the_end(tmp_path: Path) -> None:
    plain = tar_of({"a": random.Random(1).randbytes(100_000)}, "") + bytes(10_000_000)
    with pytest.raises(ModelError, match="unpacks to more than"):
        unpack(gzip.compress(plain), tmp_path)


@pytest.mark.parametrize("count", [51, 60])
def test_too_many_members(tmp_path: Path, count: int) -> None:
    with pytest.raises(ModelError, match="more than 50 members"):
        unpack(tar_of({f"a/{n}": b"" for n in range(count)}), tmp_path)


@pytest.mark.parametrize(
    "archive",
    [
        b"",
        b"<html>not found</html>",
        b"BZh91AY&SY" + bytes(99),
        b"\x1f\x8b" + bytes(99),
        b"PK\x03\x04" + bytes(99),
    ],
)
def test_what_is_no_archive(tmp_path: Path, archive: bytes) -> None:
    with pytest.raises(ModelError, match="cannot be unpacked"):
        unpack(archive, tmp_path)


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz"])
def test_an_archive_that_was_cut_off(tmp_path: Path, kind: str) -> None:
    whole = tar_of(FILES, kind)
    for number, missing in enumerate([1, 9, 1000, len(whole) // 2]):
        folder = tmp_path / str(number)
        folder.mkdir()
        with pytest.raises(ModelError, match="cannot be unpacked"):
            unpack(whole[:-missing], folder)
