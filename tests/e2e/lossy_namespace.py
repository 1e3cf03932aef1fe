"""An outage of a whole network namespace, whose only device is our own loopback.

Run by a test: `unshare -n python -m tests.e2e.lossy_namespace`. Prints how many seconds
of speech were heard after the outage, over UDP and over TCP.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import trio

from providers.rooms.mumble.room import open_mumble
from providers.rooms.murmurd import MurmurdSettings, open_murmurd
from tests.e2e.room_clients import config_for
from tests.e2e.talking import (
    exchange,
    interrupted_in_an_outage,
    polled,
    seconds,
    until_joined,
)


class Loopback:
    """Our own loopback: `cut` makes the kernel drop every packet."""

    def cut(self) -> None:
        subprocess.run("tc qdisc replace dev lo root pfifo limit 0".split(), check=True)

    def restore(self) -> None:
        subprocess.run("tc qdisc del dev lo root".split(), check=True)


async def _stale_s(folder: Path, *, udp: bool) -> float:
    async with (
        open_murmurd(MurmurdSettings(certificate_folder=folder)) as server,
        open_mumble(config_for(server, "ana")) as ana,
        open_mumble(config_for(server, "agent", udp=udp)) as agent,
    ):
        await until_joined(ana, "agent")
        await polled(lambda: agent.over_udp is udp and ana.over_udp)
        # The server speaks UDP to who spoke UDP to it.
        await exchange(ana, agent, 300.0, seconds=0.1)
        before, stale = await interrupted_in_an_outage(agent, ana, Loopback())
        assert before, "nothing was heard at all"
        fresh = await exchange(agent, ana, 900.0, seconds=0.3)
        assert seconds(fresh) > 0.25, "nothing was heard afterwards"
        return seconds(stale)


async def _measure() -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        return {
            name: await _stale_s(Path(folder), udp=udp)
            for name, udp in (("udp", True), ("tcp", False))
        }


if __name__ == "__main__":
    subprocess.run("ip link set lo up".split(), check=True)
    json.dump(trio.run(_measure), sys.stdout)
