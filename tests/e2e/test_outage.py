"""What the network does to speech: nothing that is late is ever heard."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from providers.rooms.mumble import link, udp
from providers.rooms.mumble.room import MumbleRoom, open_mumble
from tests.e2e.relay import Relay, relay_to
from tests.e2e.room_clients import config_for
from tests.e2e.talking import (
    exchange,
    hear,
    loudest_hz,
    next_event,
    polled,
    say,
    tone,
    until_joined,
    waiting,
)
from trioagent.interfaces import LinkLost, LinkRestored, VoicePacket

if TYPE_CHECKING:
    from providers.rooms.murmurd import Murmurd
    from tests.e2e.murmur import OpenServer
    from trioagent.config import MumbleConfig

RATE_HZ = 24_000
BEFORE_S, INTERRUPTED_S, OUTAGE_S = 0.3, 0.8, 1.0


def _through(relay: Relay, server: Murmurd, **settings: object) -> MumbleConfig:
    return attrs.evolve(config_for(server, "agent", **settings), port=relay.port)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice what is gone in less than a second."""
    monkeypatch.setattr(udp, "PING_S", 0.1)
    monkeypatch.setattr(udp, "DEAD_AFTER_S", 0.5)
    monkeypatch.setattr(link, "PING_S", 0.1)
    monkeypatch.setattr(link, "SILENT_S", 0.8)


async def _interrupted_in_an_outage(relay: Relay, agent: MumbleRoom) -> float:
    """Talk into an outage of 1 s, be interrupted in it; return when it was over."""
    with trio.move_on_after(BEFORE_S):
        await say(agent, tone(440, 5, RATE_HZ), RATE_HZ, end=False)
    relay.cut()
    cut_at = trio.current_time()
    with trio.move_on_after(INTERRUPTED_S):
        await say(agent, tone(440, 5, RATE_HZ), RATE_HZ, end=False)
    agent.end_talk()
    await trio.sleep_until(cut_at + OUTAGE_S)
    relay.restore()
    return trio.current_time()


@pytest.mark.parametrize(
    ("over_udp", "stale_s"), [(True, 0.0), (False, 0.4)], ids=["udp", "tcp"]
)
async def test_speech_that_was_interrupted_in_an_outage_is_not_heard_after_it(
    murmur_server: OpenServer, over_udp: bool, stale_s: float
) -> None:
    async with (
        murmur_server() as server,
        relay_to(server) as relay,
        open_mumble(config_for(server, "ana")) as ana,
        open_mumble(_through(relay, server, udp=over_udp)) as agent,
    ):
        await until_joined(ana, "agent")
        if over_udp:
            await polled(lambda: agent.over_udp)
        restored_at = await _interrupted_in_an_outage(relay, agent)
        await trio.sleep(0.7)
        heard = [event for event in waiting(ana) if isinstance(event, VoicePacket)]
        before = [packet for packet in heard if packet.time < restored_at]
        stale = [packet for packet in heard if packet.time >= restored_at]
        assert loudest_hz(before) == pytest.approx(440, abs=15)
        assert sum(len(packet.pcm) for packet in stale) / 16_000 <= stale_s
        # And the next thing that is said is heard, whole.
        fresh = await exchange(agent, ana, 900.0, seconds=0.3)
        assert loudest_hz(fresh) == pytest.approx(900, abs=15)
        assert sum(len(packet.pcm) for packet in fresh) == 4800


@pytest.mark.usefixtures("impatient")
async def test_without_udp_voice_takes_the_tunnel_and_comes_back(
    murmur_server: OpenServer,
) -> None:
    async with (
        murmur_server() as server,
        relay_to(server) as relay,
        open_mumble(config_for(server, "ana")) as ana,
        open_mumble(_through(relay, server)) as agent,
    ):
        await until_joined(ana, "agent")
        await until_joined(agent, "ana")
        for lost in (False, True, False):
            relay.udp_lost = lost
            await polled(lambda lost=lost: agent.over_udp is not lost)
            await trio.sleep(0.05)  # the server's turn to the tunnel is on its way
            for speaker, listener in ((ana, agent), (agent, ana)):
                heard = await exchange(speaker, listener, 500.0, seconds=0.2)
                assert loudest_hz(heard) == pytest.approx(500, abs=15)
                assert heard[-1].ends_talk


@pytest.mark.usefixtures("impatient")
async def test_a_link_that_is_half_open_is_noticed_and_made_anew(
    murmur_server: OpenServer,
) -> None:
    async with (
        murmur_server() as server,
        relay_to(server) as relay,
        open_mumble(config_for(server, "ana")) as ana,
        open_mumble(_through(relay, server, connect_timeout_s=0.3)) as agent,
    ):
        await until_joined(agent, "ana")
        relay.cut()
        lost = await next_event(agent, LinkLost)
        assert "silent" in lost.reason
        relay.restore()
        await next_event(agent, LinkRestored)
        await until_joined(agent, "ana")
        waiting(ana)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(say, agent, tone(500, 0.2, RATE_HZ), RATE_HZ)
            assert loudest_hz(await hear(ana)) == pytest.approx(500, abs=15)
