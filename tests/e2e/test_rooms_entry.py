"""Getting into a room, or not: passwords, certificates, channels, absent servers."""

from __future__ import annotations

import socket
import ssl
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio
import trustme

from providers.rooms.mumble.link import connect
from providers.rooms.mumble.tls import make_context
from providers.rooms.server_certificate import ensure_certificate
from tests.e2e.room_clients import CLIENTS, NATIVE, Client, config_for, pinned
from trioagent.config import MumbleConfig
from trioagent.errors import ConfigError, RoomRejected, RoomUnreachable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.e2e.murmur import OpenServer


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


async def _refused(client: Client, config: MumbleConfig) -> RoomRejected:
    with pytest.raises(RoomRejected) as caught:
        async with client.open(config):
            pytest.fail("it was let in")
    return caught.value


async def _unreachable(client: Client, config: MumbleConfig) -> RoomUnreachable:
    with pytest.raises(RoomUnreachable) as caught:
        async with client.open(config):
            pytest.fail("it was let in")
    return caught.value


async def test_the_wrong_password_is_named(
    client: Client, murmur_server: OpenServer
) -> None:
    async with murmur_server(password="right") as server:
        error = await _refused(client, config_for(server, "agent", password="wrong"))
        assert "password" in error.message
        assert server.address in error.message
        async with client.open(config_for(server, "agent", password="right")):
            pass


async def test_a_client_certificate_is_asked_for_and_taken(
    client: Client, murmur_server: OpenServer, tmp_path: Path
) -> None:
    client.needs("client_certificate")
    trustme.CA().issue_cert(
        "agent@example.org"
    ).private_key_and_cert_chain_pem.write_to_path(tmp_path / "agent.pem")
    async with murmur_server(certificate_required=True) as server:
        error = await _refused(client, config_for(server, "agent"))
        assert "certificate" in error.message
        assert "certificate_file" in error.hint
        own = {"certificate_file": str(tmp_path / "agent.pem")}
        with pytest.raises(RoomUnreachable, match="self-signed"):
            async with client.open(config_for(server, "agent", **own)):
                pass
        made = await trio.to_thread.run_sync(ensure_certificate, tmp_path / "own")
        own = {
            "certificate_file": str(made.certificate_file),
            "key_file": str(made.key_file),
        }
        async with client.open(config_for(server, "agent", **own)):
            pass


async def test_a_name_that_another_one_has_is_refused(
    client: Client, murmur_server: OpenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    client.needs("reject_type")
    async with murmur_server() as server:
        # From the same address the server would take us for a ghost of ourselves.
        elsewhere = partial(trio.open_tcp_stream, local_address="127.0.0.2")
        with monkeypatch.context() as patched:
            patched.setattr(trio, "open_tcp_stream", elsewhere)
            other = config_for(server, "agent", udp=False)
            session = await connect(other, make_context(other), "")
        error = await _refused(client, config_for(server, "agent"))
        assert "name in use" in error.message
        assert "mumble.user" in error.hint
        await session.control.aclose()


async def test_an_absent_channel_is_answered_with_those_that_exist(
    client: Client, murmur_server: OpenServer
) -> None:
    async with murmur_server(channels=("Lobby/Bots",)) as server:
        error = await _refused(client, config_for(server, "agent", channel="Cellar"))
        assert '"Cellar"' in error.message
        assert '"Lobby/Bots"' in error.message


async def test_a_certificate_of_another_authority_is_refused(
    client: Client, murmur_server: OpenServer, tmp_path: Path
) -> None:
    client.needs("verify_ca")
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    async with murmur_server() as server:
        stranger = config_for(server, "agent", ca_file=str(tmp_path / "ca.pem"))
        error = await _refused(client, stranger)
        assert "not trusted" in error.message
        error = await _refused(client, config_for(server, "agent", trust="system"))
        assert 'trust = "pin"' in error.hint


async def test_the_first_certificate_is_pinned_and_another_refused(
    client: Client, murmur_server: OpenServer, tmp_path: Path
) -> None:
    client.needs("verify_pin")
    pins = pinned(tmp_path / "state" / "pins")
    async with murmur_server(certificate_folder=tmp_path / "one") as server:
        config = config_for(server, "agent", **pins)
        for _ in range(2):
            async with client.open(config):
                pass
    lines = (tmp_path / "state" / "pins").read_text().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith(f"{server.address} ")
    assert (tmp_path / "state" / "pins").stat().st_mode & 0o777 == 0o600
    async with murmur_server(
        certificate_folder=tmp_path / "two", port=server.port
    ) as impostor:
        error = await _refused(client, config_for(impostor, "agent", **pins))
    assert lines[0].split()[-1] in error.message
    assert f"delete line 1 ({server.address}) of {tmp_path / 'state' / 'pins'}" in (
        error.hint
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"trust": "ca", "ca_file": ""},
        {"trust": "ca", "ca_file": "/nowhere/ca.pem"},
        {"trust": "pin", "certificate_file": "/nowhere/own.pem"},
        {"trust": "pin", "certificate_file": __file__},
    ],
)
async def test_files_that_cannot_be_used_are_named(settings: dict[str, Any]) -> None:
    config = MumbleConfig(server="127.0.0.1", **settings)
    with pytest.raises(ConfigError) as caught:
        async with NATIVE.open(config):
            pass
    named = settings.get("certificate_file") or settings["ca_file"] or "mumble.ca_file"
    assert named in caught.value.message


@asynccontextmanager
async def _listening(handler: Any) -> AsyncIterator[int]:
    async with trio.open_nursery() as nursery:
        serve = partial(trio.serve_tcp, handler, 0, host="127.0.0.1")
        listeners = await nursery.start(serve)
        yield listeners[0].socket.getsockname()[1]
        nursery.cancel_scope.cancel()


def _at(port: int, **settings: Any) -> MumbleConfig:
    return MumbleConfig(
        server="127.0.0.1", port=port, trust="pin", pin_file="/nowhere/pins", **settings
    )


async def test_nobody_listens(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    error = await _unreachable(client, _at(port, connect_timeout_s=2.0))
    assert f"127.0.0.1:{port}" in error.message


async def test_a_host_that_does_not_resolve_is_said_to_do_so() -> None:
    config = attrs.evolve(_at(1), server="no-such-host.invalid", connect_timeout_s=30.0)
    error = await _unreachable(NATIVE, config)
    assert "no-such-host.invalid does not resolve" in error.message


async def test_something_that_is_not_tls(client: Client) -> None:
    async def talk(stream: trio.SocketStream) -> None:
        await stream.send_all(b"220 mail.example.org ESMTP\r\n" * 20)
        await stream.receive_some()

    async with _listening(talk) as port:
        error = await _unreachable(client, _at(port, connect_timeout_s=2.0))
    assert f"127.0.0.1:{port}" in error.message


async def test_something_that_hangs_up_at_once(client: Client) -> None:
    async def hang_up(stream: trio.SocketStream) -> None:
        await stream.aclose()

    async with _listening(hang_up) as port:
        error = await _unreachable(client, _at(port, connect_timeout_s=2.0))
    assert f"127.0.0.1:{port}" in error.message


async def test_something_that_says_nothing(client: Client) -> None:
    async def say_nothing(_stream: trio.SocketStream) -> None:
        await trio.sleep_forever()

    async with _listening(say_nothing) as port:
        error = await _unreachable(client, _at(port, connect_timeout_s=0.3))
    assert f"127.0.0.1:{port}" in error.message
    assert "within 0.3 s" in error.message


async def test_tls_without_mumble_behind_it(tmp_path: Path) -> None:
    await trio.lowlevel.checkpoint()
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer_http(stream: trio.SocketStream) -> None:
        await trio.lowlevel.checkpoint()
        tls = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        try:
            await tls.receive_some()
            await tls.send_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            await tls.receive_some()
        except trio.BrokenResourceError:
            pass

    async with _listening(answer_http) as port:
        config = _at(port, connect_timeout_s=2.0)
        trusting = attrs.evolve(config, trust="ca", ca_file=str(tmp_path / "ca.pem"))
        error = await _unreachable(NATIVE, trusting)
    assert "is no Mumble server" in error.message
