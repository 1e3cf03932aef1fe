"""Rooms against a real murmurd. Whom they meet there is always the native client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import trio

from providers.rooms.mumble.link import connect
from providers.rooms.mumble.messages import TextMessage
from providers.rooms.mumble.tls import make_context
from tests.e2e.murmur import until
from tests.e2e.room_clients import (
    CLIENTS,
    NATIVE,
    PYMUMBLE,
    WITHOUT_PYMUMBLE,
    Client,
    config_for,
)
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
from trioagent.errors import RoomRejected
from trioagent.interfaces import (
    LinkLost,
    LinkRestored,
    Room,
    Speaker,
    SpeakerJoined,
    SpeakerLeft,
    VoicePacket,
)

if TYPE_CHECKING:
    from providers.rooms.murmurd import Murmurd
    from tests.e2e.murmur import OpenServer


@pytest.fixture(params=CLIENTS, ids=lambda client: client.name)
def client(request: pytest.FixtureRequest) -> Client:
    found: Client = request.param
    return found


@pytest.mark.parametrize(
    ("client", "udp"),
    [
        pytest.param(NATIVE, True, id="native, udp"),
        pytest.param(NATIVE, False, id="native, tcp"),
        # It has no UDP.
        pytest.param(PYMUMBLE, False, id="pymumble, tcp", marks=WITHOUT_PYMUMBLE),
    ],
)
async def test_a_tone_is_heard_both_ways_with_its_end(
    client: Client, murmur_server: OpenServer, udp: bool
) -> None:
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


@pytest.mark.parametrize("first", ["agent", "ana"])
async def test_agents_know_each_other(
    client: Client, murmur_server: OpenServer, first: str
) -> None:
    """By the comment; people have none, whoever came first."""
    comments = {"agent": "trioagent: a voice agent", "ana": ""}
    second = "ana" if first == "agent" else "agent"

    async def seen_as(room: Room, name: str, *, agent: bool) -> None:
        joined = SpeakerJoined(Speaker(0, ""))
        with trio.fail_after(5):
            while (joined.speaker.name, joined.speaker.agent) != (name, agent):
                joined = await next_event(room, SpeakerJoined)

    async with (
        murmur_server() as server,
        client.open(config_for(server, first, comment=comments[first])) as one,
        NATIVE.open(config_for(server, second, comment=comments[second])) as other,
    ):
        await seen_as(one, second, agent=second == "agent")
        await seen_as(other, first, agent=first == "agent")


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


async def test_a_room_tells_how_much_waits_in_it(
    client: Client, murmur_server: OpenServer
) -> None:
    """The watchdog knows by that whether the agent takes what comes."""

    def waits() -> int:
        return int(agent.figures["inbox_waiting"])  # type: ignore[attr-defined]

    async with (
        murmur_server() as server,
        client.open(config_for(server, "agent")) as agent,
        NATIVE.open(config_for(server, "ana")),
    ):
        await until(lambda: waits() > 0)
        waiting(agent)
        assert waits() == 0


async def test_leaving_is_quick_and_leaves_no_task(
    client: Client, murmur_server: OpenServer
) -> None:
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
