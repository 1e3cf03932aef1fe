"""The embedded server, against the real murmurd."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import trio

from providers.rooms import murmurd as murmurd_module
from providers.rooms.murmurd import MurmurdSettings, open_murmurd
from providers.rooms.server_ping import ping_server
from tests.e2e.knocking import log_in
from tests.e2e.murmur import until
from trioagent.errors import ProviderUnavailable, RoomUnreachable

if TYPE_CHECKING:
    from tests.e2e.murmur import OpenServer


async def test_comes_up_and_answers(murmur_server: OpenServer) -> None:
    async with murmur_server() as server:
        info = await ping_server(server.host, server.port, 1)
        assert info is not None
        assert info.users == 0
        assert info.version.startswith("1.")
        assert server.address == f"127.0.0.1:{server.port}"
        assert (await log_in(server)).accepted
    assert await ping_server(server.host, server.port, 0.2) is None
    assert not server.running


async def test_two_servers_share_a_machine(murmur_server: OpenServer) -> None:
    async with murmur_server() as one, murmur_server() as other:
        assert one.port != other.port
        assert (await log_in(one)).accepted
        assert (await log_in(other)).accepted


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_its_certificate_is_valid_for_strict_clients(
    murmur_server: OpenServer, name: str
) -> None:
    context = ssl.create_default_context()
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    async with murmur_server() as server:
        context.load_verify_locations(server.ca_file)
        tcp = await trio.open_tcp_stream(server.host, server.port)
        async with trio.SSLStream(tcp, context, server_hostname=name) as tls:
            await tls.do_handshake()


@pytest.mark.parametrize("password", ["secret", 'a;b"c\\d,é %20#', "\\n x"])
async def test_asks_for_the_password(murmur_server: OpenServer, password: str) -> None:
    async with murmur_server(password=password) as server:
        assert (await log_in(server, password=password)).accepted
        assert not (await log_in(server, password=password + "x")).accepted
        assert not (await log_in(server)).accepted


async def test_superuser_password(murmur_server: OpenServer) -> None:
    async with murmur_server(superuser_password="s3cret") as server:
        assert (await log_in(server, "SuperUser", "s3cret")).accepted
        assert not (await log_in(server, "SuperUser", "guess")).accepted


async def test_certificate_required(murmur_server: OpenServer) -> None:
    async with murmur_server(certificate_required=True) as server:
        assert not (await log_in(server)).accepted


async def test_channels_are_there(murmur_server: OpenServer) -> None:
    paths = ("Lobby/Bots", "Lobby/Étage 1", "Tavern")
    async with murmur_server(channels=paths) as server:
        channels = (await log_in(server)).channels
        tree = {(channels[parent][1], name) for parent, name in channels.values()}
        assert tree == {
            ("Root", "Root"),
            ("Root", "Lobby"),
            ("Root", "Tavern"),
            ("Lobby", "Bots"),
            ("Lobby", "Étage 1"),
        }
        await server.stop()
        await server.start()
        assert (await log_in(server)).channels == channels


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
async def test_a_taken_port_is_named(
    murmur_server: OpenServer, kind: socket.SocketKind
) -> None:
    with socket.socket(socket.AF_INET, kind) as other:
        port = murmurd_module.free_port("127.0.0.1")
        other.bind(("127.0.0.1", port))
        if kind == socket.SOCK_STREAM:
            other.listen()
        with pytest.raises(RoomUnreachable, match=f"127.0.0.1:{port} is taken") as info:
            async with murmur_server(port=port):
                pass
    assert "port" in info.value.hint
    async with murmur_server(port=port) as server:  # free now
        assert server.port == port


async def test_the_port_of_another_murmurd_is_taken(murmur_server: OpenServer) -> None:
    async with murmur_server() as first:
        with pytest.raises(RoomUnreachable, match="is taken"):
            async with murmur_server(port=first.port):
                pass
        assert (await log_in(first)).accepted


async def test_comes_back_when_it_dies(
    murmur_server: OpenServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with murmur_server() as server:
        port, first = server.port, server.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        await until(lambda: server.running and server.pid != first)
        assert server.port == port
        assert (await log_in(server)).accepted
    assert f"{server.address} died" in caplog.text


async def test_stays_down_when_stopped_on_purpose(murmur_server: OpenServer) -> None:
    async with murmur_server() as server:
        port = server.port
        await server.kill()
        await trio.sleep(0.5)  # longer than supervision takes to bring it back
        assert not server.running
        assert await ping_server(server.host, port, 0.1) is None
        await server.start()
        pid = server.pid
        await server.start()  # runs already
        assert server.pid == pid
        assert server.port == port
        assert (await log_in(server)).accepted


async def test_errors_of_the_block_come_out_as_they_are(
    murmur_server: OpenServer,
) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with murmur_server():
            raise LookupError("mine")


async def test_cancelling_ends_it_at_once(murmur_server: OpenServer) -> None:
    with trio.CancelScope() as scope:
        async with murmur_server() as server:
            scope.cancel()
            cancelled_at = trio.current_time()
            await trio.sleep_forever()
    assert trio.current_time() - cancelled_at < 1
    assert not server.running


async def test_cancelled_while_it_starts(murmur_server: OpenServer) -> None:
    for wait_s in (0.0, 0.02, 0.08):
        with trio.move_on_after(wait_s) as scope:
            async with murmur_server():
                await trio.sleep_forever()
        assert scope.cancelled_caught


def _status(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "gone"


ORPHAN = """\
import sys, trio
from pathlib import Path
from providers.rooms.murmurd import MurmurdSettings, open_murmurd

async def main():
    settings = MurmurdSettings(certificate_folder=Path(sys.argv[1]))
    async with open_murmurd(settings) as server:
        print(server.pid, server.port, flush=True)
        await trio.sleep_forever()

trio.run(main)
"""


async def test_dies_with_the_process_that_opened_it(
    murmur_server: OpenServer, tmp_path: Path
) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "TMPDIR": str(tmp_path)}
    opener = await trio.lowlevel.open_process(
        [sys.executable, "-c", ORPHAN, str(tmp_path)],
        stdout=subprocess.PIPE,
        env=environment,
    )
    async with opener.stdout:
        said = b""
        while not said.endswith(b"\n"):
            said += (piece := await opener.stdout.receive_some())
            assert piece, "it ended by itself"
        opener.kill()
        await opener.wait()
    pid, port = map(int, said.split())
    await until(lambda: _status(pid) in {"Z", "X", "gone"})
    assert await ping_server("127.0.0.1", port, 0.1) is None


async def test_certificate_is_kept_and_private(
    murmur_server: OpenServer, tmp_path: Path
) -> None:
    folder = tmp_path / "state" / "server"
    async with murmur_server(certificate_folder=folder) as server:
        first = server.ca_file.read_bytes()
    async with murmur_server(certificate_folder=folder) as server:
        assert server.ca_file.read_bytes() == first
    assert stat.S_IMODE((folder / "key.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_a_certificate_folder_that_cannot_be_is_named(
    murmur_server: OpenServer, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "folder"
    with pytest.raises(ProviderUnavailable, match=str(folder)):
        async with murmur_server(certificate_folder=folder):
            pass


async def test_without_murmurd_the_package_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(murmurd_module, "PROGRAMS", ("no-such-murmurd",))
    with pytest.raises(ProviderUnavailable, match="murmurd") as info:
        async with open_murmurd(MurmurdSettings(certificate_folder=tmp_path)):
            pass
    assert "apt-get install mumble-server" in info.value.hint


async def test_a_server_that_cannot_come_up_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "murmurd-that-ends"
    program.write_text("#!/bin/sh\necho no such luck; exit 3\n")
    program.chmod(0o755)
    monkeypatch.setattr(murmurd_module, "PROGRAMS", (str(program),))
    with pytest.raises(RoomUnreachable, match="no such luck"):
        async with open_murmurd(MurmurdSettings(certificate_folder=tmp_path)):
            pass


async def test_no_server_no_ping() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert await ping_server("127.0.0.1", unused.getsockname()[1], 0.2) is None
