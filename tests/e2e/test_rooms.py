"""Rooms against a real murmurd. Whom they meet there is always the native client."""

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
from providers.rooms.mumble.messages import TextMessage
from providers.rooms.mumble.tls import make_context
from providers.rooms.server_certificate import ensure_certificate
from tests.e2e.room_clients import CLIENTS, NATIVE, Client, config_for, pinned
from tests.e2e.talking import (
    exchange,
    hear,
    loudest_hz,
    next_event,
    say,
    seconds,
    settled,
    tone,
    until_joined,
    waiting,
)
from trioagent.config import MumbleConfig
from trioagent.errors import ConfigError, RoomRejected, RoomUnreachable
from trioagent.interfaces import (
    LinkLost,
    LinkRestored,
    Room,
    SpeakerJoined,
    SpeakerLeft,
    VoicePacket,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from providers.rooms.murmurd import Murmurd
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


# Talking


@pytest.mark.parametrize("udp", [True, False], ids=["udp", "tcp"])
async def test_a_tone_is_heard_both_ways_with_its_end(
    client: Client, murmur_server: OpenServer, udp: bool
) -> None:
    client.needs("terminator_in", "terminator_out", *(["udp"] if udp else []))
    async with (
        murmur_server() as server,
        client.open(config_for(server, "agent", udp=udp)) as agent,
        NATIVE.open(config_for(server, "ana", udp=udp)) as ana,
    ):
        await until_joined(agent, "ana")
        if udp:
            await settled(agent, ana)
        for speaker, listener, hz in ((agent, ana, 440.0), (ana, agent, 880.0)):
            heard = await exchange(speaker, listener, hz)
            assert loudest_hz(heard) == pytest.approx(hz, abs=15)
            assert [packet.ends_talk for packet in heard].count(True) == 1
            assert heard[-1].ends_talk
            assert heard[0].speaker.name == speaker.name
            assert seconds(heard) == pytest.approx(0.4, abs=0.05)


@pytest.mark.parametrize("rate_hz", [8_000, 16_000, 48_000])
async def test_every_rate_of_opus_is_taken(
    murmur_server: OpenServer, rate_hz: int
) -> None:
    async with (
        murmur_server() as server,
        NATIVE.open(config_for(server, "agent")) as agent,
        NATIVE.open(config_for(server, "ana")) as ana,
    ):
        assert agent.frame_rate_hz(22_050) == 24_000
        assert agent.frame_rate_hz(96_000) == 48_000
        await settled(agent, ana)
        heard = await exchange(agent, ana, 600.0, rate_hz, 0.3)
        assert loudest_hz(heard) == pytest.approx(600, abs=15)


async def test_end_talk_ends_an_open_spurt_once(
    client: Client, murmur_server: OpenServer
) -> None:
    client.needs("terminator_out")
    async with (
        murmur_server() as server,
        client.open(config_for(server, "agent")) as agent,
        NATIVE.open(config_for(server, "ana")) as ana,
    ):
        await settled(agent, ana)
        agent.end_talk()  # nothing is open
        await say(agent, tone(440, 0.2, 16_000), 16_000, end=False)
        agent.end_talk()
        agent.end_talk()
        heard = await hear(ana)
        assert heard[-1].ends_talk
        assert len(heard) == 11
        assert await hear(ana, quiet_s=0.2) == []


async def test_two_people_talk_at_once(
    client: Client, murmur_server: OpenServer
) -> None:
    async with (
        murmur_server() as server,
        client.open(config_for(server, "agent")) as agent,
        NATIVE.open(config_for(server, "ana")) as ana,
        NATIVE.open(config_for(server, "bob")) as bob,
    ):
        await settled(ana, bob)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, ana, tone(400, 0.4, 16_000), 16_000)
            nursery.start_soon(say, bob, tone(900, 0.4, 16_000), 16_000)
        await trio.sleep(0.1)
        heard = [e for e in waiting(agent) if isinstance(e, VoicePacket)]
        for name, hz in (("ana", 400), ("bob", 900)):
            own = [packet for packet in heard if packet.speaker.name == name]
            assert loudest_hz(own) == pytest.approx(hz, abs=15)


async def test_who_comes_and_goes_is_told_and_only_of_our_channel(
    client: Client, murmur_server: OpenServer
) -> None:
    client.needs("channel")
    async with (
        murmur_server(channels=("Lobby/Bots", "Attic")) as server,
        NATIVE.open(config_for(server, "ana", channel="Lobby/Bots")),
        client.open(config_for(server, "agent", channel="lobby/bots")) as agent,
    ):
        assert agent.address == f"{server.address}/Lobby/Bots"
        assert (await next_event(agent, SpeakerJoined)).speaker.name == "ana"
        async with NATIVE.open(config_for(server, "eve", channel="Attic")) as eve:
            await say(eve, tone(440, 0.1, 16_000), 16_000)
        async with NATIVE.open(config_for(server, "bob", channel="Lobby/Bots")):
            assert (await next_event(agent, SpeakerJoined)).speaker.name == "bob"
        assert (await next_event(agent, SpeakerLeft)).speaker.name == "bob"
        assert waiting(agent) == []


async def test_text_is_plain_and_split_to_the_servers_limit(
    client: Client, murmur_server: OpenServer
) -> None:
    async with (
        murmur_server() as server,
        client.open(config_for(server, "agent")) as agent,
    ):
        reader = config_for(server, "reader")
        session = await connect(reader, make_context(reader), "")
        text = "1 < 2 & so\non " + "x" * 6000
        async with trio.open_nursery() as nursery:
            nursery.start_soon(agent.send_text, text)
            messages: list[str] = []
            with trio.fail_after(5):
                await trio.lowlevel.checkpoint()
                while len(messages) < 2:
                    message = await session.control.receive()
                    if isinstance(message, TextMessage):
                        messages.append(message.message or "")
        await session.control.aclose()
    assert messages[0].startswith("1 &lt; 2 &amp; so<br/>on ")
    assert "".join(messages).count("x") == 6000


# Being let in


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


# Trust


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


# Nobody there


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


# Losing the link


async def _server_dies_and_comes_back(server: Murmurd, agent: Any, ana: Any) -> None:
    await server.kill()
    for room, other in ((agent, "ana"), (ana, "agent")):
        await next_event(room, LinkLost)
        assert (await next_event(room, SpeakerLeft)).speaker.name == other
    agent.write(tone(440, 0.02, 16_000), 16_000)  # goes nowhere, raises nothing
    await server.start()
    for room in (agent, ana):
        await next_event(room, LinkRestored)


async def test_a_killed_server_is_noticed_and_its_return_too(
    client: Client, murmur_server: OpenServer
) -> None:
    client.needs("reconnect")
    async with murmur_server(channels=("Lobby/Bots",)) as server:
        place = {"channel": "Lobby/Bots"}
        async with (
            client.open(config_for(server, "agent", **place)) as agent,
            NATIVE.open(config_for(server, "ana", **place)) as ana,
        ):
            await until_joined(agent, "ana")
            await until_joined(ana, "agent")
            await _server_dies_and_comes_back(server, agent, ana)
            assert agent.address.endswith("/Lobby/Bots")
            await until_joined(agent, "ana")
            for speaker, listener in ((agent, ana), (ana, agent)):
                heard = await exchange(speaker, listener, 700.0, seconds=0.3)
                assert loudest_hz(heard) == pytest.approx(700, abs=15)


async def _until_thrown_out(room: Room) -> None:
    with trio.fail_after(10):
        async for _event in room.events:
            pass
        await trio.sleep_forever()


async def test_a_rejection_on_the_way_back_is_final(
    client: Client, murmur_server: OpenServer
) -> None:
    client.needs("reconnect", "reject_type")

    async def stay() -> None:
        async with (
            murmur_server() as first,
            client.open(config_for(first, "agent")) as agent,
        ):
            await first.kill()
            await next_event(agent, LinkLost)
            async with murmur_server(port=first.port, password="new"):
                await _until_thrown_out(agent)

    with pytest.raises(RoomRejected, match="password"):
        await stay()


async def test_being_replaced_under_our_name_is_final(
    client: Client, murmur_server: OpenServer
) -> None:
    client.needs("kick_is_final")

    async def stay(server: Murmurd) -> None:
        # From the same address: the server takes the first one for a ghost.
        async with (
            client.open(config_for(server, "agent")) as agent,
            NATIVE.open(config_for(server, "agent")),
        ):
            await _until_thrown_out(agent)

    async with murmur_server() as server:
        with pytest.raises(RoomRejected, match="removed from the server"):
            await stay(server)


# Leaving


async def test_leaving_is_quick_and_leaves_no_task(
    client: Client, murmur_server: OpenServer
) -> None:
    client.needs("clean_tasks")
    async with murmur_server() as server:
        before = trio.lowlevel.current_statistics().tasks_living
        async with client.open(config_for(server, "agent")) as agent:
            await say(agent, tone(440, 0.1, 16_000), 16_000, end=False)
            left_at = trio.current_time()
        assert trio.current_time() - left_at < 0.5
        assert trio.lowlevel.current_statistics().tasks_living == before


async def test_the_blocks_own_error_comes_out_as_it_is(
    client: Client, murmur_server: OpenServer
) -> None:
    async with murmur_server() as server:
        with pytest.raises(ZeroDivisionError):
            async with client.open(config_for(server, "agent")):
                raise ZeroDivisionError
