"""Files, folders and sockets: for their owner alone, whatever the umask."""

from __future__ import annotations

import os
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from providers.rooms.murmurd_setup import MurmurdSettings, MurmurdSetup, write_ini
from providers.rooms.server_certificate import ensure_certificate
from trioagent.private import open_private, private_folder
from trioagent.serving.listening import listen
from trioagent.wyoming.address import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator

APPEND = os.O_WRONLY | os.O_APPEND


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("bits", [0o000, 0o022, 0o077])
def test_what_is_made_is_for_its_owner_alone(tmp_path: Path, bits: int) -> None:
    with umask(bits):
        private_folder(tmp_path / "a" / "b")
        os.close(open_private(tmp_path / "a" / "b" / "file", APPEND))
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700
    assert mode(tmp_path / "a" / "b" / "file") == 0o600


def test_a_folder_of_ours_stays_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "ours").mkdir(mode=0o750)
    private_folder(tmp_path / "ours")
    assert mode(tmp_path / "ours") == 0o750
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError):
        private_folder(tmp_path / "file")
    with pytest.raises(NotADirectoryError):
        private_folder(tmp_path / "file" / "below")


def test_a_file_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    file = tmp_path / "latency.jsonl"
    file.write_text("old\n")
    file.chmod(0o644)
    fd = open_private(file, APPEND)
    os.write(fd, b"new\n")
    os.close(fd)
    assert mode(file) == 0o600
    assert file.read_text() == "old\nnew\n"


def test_what_is_no_plain_file_is_left_as_it_is() -> None:
    before = mode(Path("/dev/null"))
    os.close(open_private(Path("/dev/null"), APPEND))
    assert mode(Path("/dev/null")) == before


def test_a_link_of_ours_is_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    os.close(open_private(tmp_path / "link", APPEND))
    assert mode(tmp_path / "elsewhere") == 0o600


def test_a_link_that_somebody_else_planted_is_not(tmp_path: Path) -> None:
    """As in /tmp: all may write there, and the link belongs to another user."""
    if os.geteuid() != 0:
        pytest.skip("only root can give a link away")
    shared = tmp_path / "tmp"
    shared.mkdir()
    shared.chmod(0o1777)
    target = tmp_path / "precious"
    target.write_text("precious")
    (shared / "latency.jsonl").symlink_to(target)
    os.chown(shared / "latency.jsonl", 65534, 65534, follow_symlinks=False)
    # Where fs.protected_symlinks is on, the kernel is first.
    with pytest.raises(OSError, match=r"symbolic links|Permission denied"):
        open_private(shared / "latency.jsonl", os.O_WRONLY | os.O_TRUNC)
    assert target.read_text() == "precious"


def test_the_embedded_server_s_files_are_private(tmp_path: Path) -> None:
    with umask(0):
        certificate = ensure_certificate(tmp_path / "state" / "embedded")
        settings = MurmurdSettings(certificate_folder=tmp_path, password="secret")
        setup = MurmurdSetup("murmurd", tmp_path / "state", settings, certificate)
        write_ini(setup, 1)
    assert mode(tmp_path / "state") == mode(tmp_path / "state" / "embedded") == 0o700
    assert mode(certificate.key_file) == 0o600
    assert mode(setup.ini_file) == 0o600
    assert "secret" in setup.ini_file.read_text()


@pytest.mark.parametrize("bits", [0o000, 0o022])
async def test_a_socket_is_for_its_owner_alone(tmp_path: Path, bits: int) -> None:
    """Of `trioagent serve`: whoever can connect may use the model."""
    path = tmp_path / "socket"
    with umask(bits):
        async with listen(parse_address(f"unix://{path}")):
            assert stat.S_ISSOCK(path.stat().st_mode)
            assert mode(path) == 0o600
            stream = await trio.open_unix_socket(path)
            await stream.aclose()
