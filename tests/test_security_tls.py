"""Which Mumble servers we talk to: by their certificates, in real handshakes."""

from __future__ import annotations

import hashlib
import os
import ssl
import stat
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import pytest
import trio
import trustme

from providers.rooms.mumble.dial import Patience, dial
from providers.rooms.mumble.pins import check_pin, fingerprint
from providers.rooms.mumble.tls import make_context
from tests.helpers_tls import YESTERDAY, tls_server
from trioagent.config import MumbleConfig
from trioagent.errors import RoomError, RoomRejected

if TYPE_CHECKING:
    from pathlib import Path


async def joined(port: int, **settings: Any) -> str:
    """Shake hands as the room does; the TLS version."""
    config = MumbleConfig(server="127.0.0.1", port=port, **settings)
    with trio.fail_after(10):
        stream = await dial(config, make_context(config), Patience(config))
        version = stream.version()
        await trio.aclose_forcefully(stream)
    return str(version)


async def refusal(port: int, **settings: Any) -> RoomError:
    with pytest.raises(RoomError) as caught:
        await joined(port, **settings)
    return caught.value


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    ca = trustme.CA()
    ca.cert_pem.write_to_path(tmp_path / "ca.pem")
    return ca


def by_ca(tmp_path: Path) -> dict[str, Any]:
    return {"trust": "ca", "ca_file": str(tmp_path / "ca.pem")}


async def test_a_certificate_of_the_authority_for_the_host_is_taken(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with tls_server(authority.issue_cert("127.0.0.1")) as port:
        assert await joined(port, **by_ca(tmp_path)) == "TLSv1.3"


async def test_a_certificate_of_another_host_is_refused(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with tls_server(authority.issue_cert("elsewhere.example")) as port:
        error = await refusal(port, **by_ca(tmp_path))
    assert isinstance(error, RoomRejected)
    assert "127.0.0.1" in error.message
    assert "mismatch" in error.message


async def test_an_expired_certificate_is_refused(
    authority: trustme.CA, tmp_path: Path
) -> None:
    old = authority.issue_cert("127.0.0.1", not_after=YESTERDAY)
    async with tls_server(old) as port:
        error = await refusal(port, **by_ca(tmp_path))
    assert isinstance(error, RoomRejected)
    assert "expired" in error.message


async def test_who_vouches_for_himself_is_refused_by_system_and_by_ca(
    authority: trustme.CA, tmp_path: Path
) -> None:
    async with tls_server(trustme.CA().issue_cert("127.0.0.1")) as port:
        for settings in ({"trust": "system"}, by_ca(tmp_path)):
            error = await refusal(port, **settings)
            assert isinstance(error, RoomRejected)
            assert "is not trusted" in error.message


async def test_a_changed_certificate_is_refused_and_nothing_is_sent(
    authority: trustme.CA, tmp_path: Path
) -> None:
    pins = {"trust": "pin", "pin_file": str(tmp_path / "state" / "pins")}
    first = authority.issue_cert("127.0.0.1")
    async with tls_server(first) as port:
        for _ in range(2):
            await joined(port, **pins)
        line = (tmp_path / "state" / "pins").read_text().split()
    # Even one that an authority would vouch for: what counts is that it changed.
    listeners = await trio.open_tcp_listeners(port, host="127.0.0.1")
    got = bytearray()
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def impostor(tcp: trio.SocketStream) -> None:
        stream = trio.SSLStream(tcp, context, server_side=True)
        try:
            while data := await stream.receive_some():
                got.extend(data)
        except trio.BrokenResourceError:
            pass

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, impostor, listeners)
        error = await refusal(port, **pins)
        await trio.sleep(0.1)
        nursery.cancel_scope.cancel()
    assert isinstance(error, RoomRejected)
    assert line[2] in error.message
    assert "Somebody may be listening in" in error.hint
    assert not got
    assert (tmp_path / "state" / "pins").read_text().split() == line


async def test_what_is_older_than_tls_1_2_is_refused(
    authority: trustme.CA, tmp_path: Path
) -> None:
    for newest, taken in (
        (ssl.TLSVersion.TLSv1_2, True),
        (ssl.TLSVersion.TLSv1_1, False),
    ):
        with (
            pytest.warns(DeprecationWarning, match="TLSv1_1")
            if not taken
            else nullcontext()
        ):
            server = tls_server(authority.issue_cert("127.0.0.1"), newest)
            async with server as port:
                if taken:
                    assert await joined(port, **by_ca(tmp_path)) == "TLSv1.2"
                else:
                    await refusal(port, **by_ca(tmp_path))


@pytest.mark.parametrize("trust", ["system", "ca", "pin"])
def test_no_way_to_trust_allows_less_than_tls_1_2(
    authority: trustme.CA, tmp_path: Path, trust: Any
) -> None:
    config = MumbleConfig(trust=trust, ca_file=str(tmp_path / "ca.pem"))
    context = make_context(config)
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    verified = context.check_hostname and context.verify_mode is ssl.CERT_REQUIRED
    assert verified or trust == "pin", "a pin is compared after the handshake"


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_pins_are_private_and_never_half_written(tmp_path: Path, umask: int) -> None:
    pin_file = tmp_path / "a" / "b" / "pins"
    before = os.umask(umask)
    try:
        check_pin(str(pin_file), "one:1", b"certificate")
        first = pin_file.stat().st_ino
        check_pin(str(pin_file), "two:2", b"another")
    finally:
        os.umask(before)
    assert pin_file.stat().st_ino != first, "a new file took the place of the old one"
    assert stat.S_IMODE(pin_file.stat().st_mode) == 0o600
    for folder in (pin_file.parent, pin_file.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [p.name for p in pin_file.parent.iterdir()] == ["pins"]


def test_a_pin_is_a_sha256_of_the_whole_certificate() -> None:
    digest = hashlib.sha256(b"der").hexdigest().upper()
    assert fingerprint(b"der").replace(":", "") == digest
