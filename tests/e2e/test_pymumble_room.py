"""What is particular to pymumble; the contract of rooms tests the rest."""

from __future__ import annotations

import importlib.util
import threading
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from providers.rooms import pymumble_room
from providers.rooms.pymumble_room import PROVIDER
from tests.e2e.room_clients import NATIVE, config_for
from tests.e2e.talking import exchange, hear, say, tone, until_joined
from trioagent.config import MumbleConfig
from trioagent.errors import ProviderUnavailable, RoomUnreachable

if TYPE_CHECKING:
    from tests.e2e.murmur import OpenServer

needs_pymumble = pytest.mark.skipif(
    importlib.util.find_spec("pymumble_py3") is None,
    reason="pymumble is not installed: pip install 'trioagent[pymumble]'",
)


def _links() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if type(t).__name__ == "PymumbleThread"]


async def test_without_the_package_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pymumble_room.importlib.util, "find_spec", lambda _name: None)
    assert PROVIDER.unavailable(MumbleConfig()) == "pymumble is not installed."
    with pytest.raises(ProviderUnavailable) as caught:
        async with PROVIDER.open(MumbleConfig()):
            pass
    assert caught.value.hint == "pip install 'trioagent[pymumble]'"


@needs_pymumble
async def test_two_talk_to_each_other(murmur_server: OpenServer) -> None:
    async with (
        murmur_server() as server,
        PROVIDER.open(config_for(server, "one")) as one,
        PROVIDER.open(config_for(server, "two")) as two,
    ):
        await until_joined(one, "two")
        heard = await exchange(one, two, 440.0)
        assert len(heard) == 20
        assert heard[-1].ends_talk
        assert two.figures["pymumble_peak"] >= 1
        assert two.figures["pymumble_dropped"] == 0


@needs_pymumble
async def test_a_long_list_of_channels_is_read_at_once(
    murmur_server: OpenServer,
) -> None:
    # Much more than pymumble reads at a time: the rest would wait for its next ping.
    channels = tuple(f"Channel number {i}" for i in range(800))
    async with murmur_server(channels=channels) as server:
        config = config_for(server, "agent", channel="Channel number 799")
        with trio.fail_after(5):
            async with PROVIDER.open(config) as room:
                assert room.address.endswith("/Channel number 799")


@needs_pymumble
async def test_no_thread_outlives_the_room(murmur_server: OpenServer) -> None:
    async with murmur_server() as server:
        config = config_for(server, "agent")
        async with PROVIDER.open(config):
            assert len(_links()) == 1
        assert _links() == []
        wrong = attrs.evolve(config, port=server.port, connect_timeout_s=1.0)
        await server.kill()
        with pytest.raises(RoomUnreachable):
            async with PROVIDER.open(wrong):
                pass
        assert _links() == []


@needs_pymumble
async def test_leaving_ends_the_talk(murmur_server: OpenServer) -> None:
    async with (
        murmur_server() as server,
        NATIVE.open(config_for(server, "ana")) as ana,
    ):
        async with PROVIDER.open(config_for(server, "agent")) as agent:
            await until_joined(ana, "agent")
            await say(agent, tone(440, 0.1, 16_000), 16_000, end=False)
        assert (await hear(ana))[-1].ends_talk


@needs_pymumble
async def test_the_wall_clock_does_not_matter(
    murmur_server: OpenServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        murmur_server() as server,
        NATIVE.open(config_for(server, "ana")) as ana,
        PROVIDER.open(config_for(server, "agent")) as agent,
    ):
        await until_joined(ana, "agent")
        monkeypatch.setattr("time.time", lambda: 0.0)
        assert len(await exchange(agent, ana, 440.0)) == 20
