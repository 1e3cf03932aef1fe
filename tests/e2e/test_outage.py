"""What the network does to speech: nothing that is late is ever heard."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from providers.rooms.mumble import link, udp
from providers.rooms.mumble.room import open_mumble
from tests.e2e.relay import Relay, relay_to
from tests.e2e.room_clients import config_for
from tests.e2e.talking import (
    exchange,
    hear,
    interrupted_in_an_outage,
    loudest_hz,
    next_event,
    polled,
    say,
    seconds,
    tone,
    until_joined,
    waiting,
)
from trioagent.interfaces import LinkLost, LinkRestored

if TYPE_CHECKING:
    from providers.rooms.murmurd import Murmurd
    from tests.e2e.murmur import OpenServer
    from trioagent.config import MumbleConfig

RATE_HZ = 24_000


def _through(relay: Relay, server: Murmurd, **settings: object) -> MumbleConfig:
    return attrs.evolve(config_for(server, "agent", **settings), port=relay.port)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Notice what is gone in less than a second."""
    monkeypatch.setattr(udp, "PING_S", 0.1)
    monkeypatch.setattr(udp, "DEAD_AFTER_S", 0.5)
    monkeypatch.setattr(link, "PING_S", 0.1)
    monkeypatch.setattr(link, "SILENT_S", 0.8)


@pytest.mark.parametrize(
    ("over_udp", "stale_s"), [(True, 0.0), (False, 0.6)], ids=["udp", "tcp"]
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
        before, stale = await interrupted_in_an_outage(agent, ana, relay)
        assert loudest_hz(before) == pytest.approx(440, abs=15)
        assert seconds(stale) <= stale_s
        # And the next thing that is said is heard, whole.
        fresh = await exchange(agent, ana, 900.0, seconds=0.3)
        assert loudest_hz(fresh) == pytest.approx(900, abs=15)
        assert seconds(fresh) == pytest.approx(0.3, abs=0.05)


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


@pytest.mark.usefixtures("impatient")
async def test_an_end_that_lost_count_of_the_nonces_is_told(
    murmur_server: OpenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(udp, "RESYNC_S", 0.2)
    async with (
        murmur_server() as server,
        open_mumble(config_for(server, "agent")) as agent,
    ):
        await polled(lambda: agent.over_udp)
        assert agent._link is not None
        crypt = agent._link.voice._udp.crypt  # type: ignore[union-attr]
        crypt._theirs += 5000
        await polled(lambda: crypt.quality.resyncs == 1)
        good = crypt.quality.good
        await polled(lambda: crypt.quality.good > good + 2)
        assert agent.over_udp


def test_no_late_speech_when_the_kernel_itself_drops_all_packets(
    murmur_server: OpenServer,
) -> None:
    needed = ("unshare", "ip", "tc")
    if missing := [tool for tool in needed if shutil.which(tool) is None]:
        pytest.skip(f"needs {missing[0]}: apt-get install iproute2 util-linux")
    allowed = "ip link set lo up && tc qdisc replace dev lo root pfifo limit 1000"
    probe = subprocess.run(
        ["unshare", "-n", "sh", "-c", allowed], capture_output=True, check=False
    )
    if probe.returncode:
        pytest.skip(f"no network namespace of our own: {probe.stderr.decode().strip()}")
    done = subprocess.run(
        ["unshare", "-n", sys.executable, "-m", "tests.e2e.lossy_namespace"],
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
    )
    stale_s = json.loads(done.stdout)
    assert stale_s["udp"] == 0
    assert stale_s["tcp"] <= 0.4
