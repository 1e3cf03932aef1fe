"""What systemd is told: datagrams through a real socket, as sd_notify(3) has them."""

from __future__ import annotations

import os
import secrets
import socket
import time
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trio.testing

from tests.e2e.murmur import until
from tests.scene import Scene
from trioagent.interfaces import LinkRestored
from trioagent.supervision.notify import Notifier, notifier
from trioagent.supervision.supervise import supervised_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@attrs.frozen(eq=False)
class Manager:
    """A service manager's end of the socket."""

    address: str
    receiver: socket.socket

    def told(self) -> list[str]:
        found = []
        while True:
            try:
                found.append(self.receiver.recv(4096).decode())
            except BlockingIOError:
                return found


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    address = str(tmp_path / "notify")
    if request.param == "abstract":
        address = f"@trioagent-{secrets.token_hex(8)}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.setblocking(False)
        receiver.bind(address.replace("@", "\0", 1))
        yield Manager(address, receiver)


def environ(manager: Manager, **more: str) -> dict[str, str]:
    return {"NOTIFY_SOCKET": manager.address, **more}


def test_it_tells_a_datagram_of_lines(manager: Manager) -> None:
    notifier(environ(manager)).tell(READY="1", STATUS="listening\nREADY=0")
    assert manager.told() == ["READY=1\nSTATUS=listening READY=0"]


def test_the_same_status_is_told_once(manager: Manager) -> None:
    telling = notifier(environ(manager))
    for status in ("a", "a", "b"):
        telling.tell(STATUS=status)
    assert manager.told() == ["STATUS=a", "STATUS=b"]


def test_without_a_manager_nothing_is_told() -> None:
    notifier({}).tell(READY="1")


def test_a_manager_that_is_gone_or_does_not_read_costs_nothing(
    manager: Manager, tmp_path: Path
) -> None:
    Notifier(str(tmp_path / "nobody")).tell(READY="1")
    telling = notifier(environ(manager))
    began = time.monotonic()
    for number in range(1000):
        telling.tell(STATUS=str(number))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("usec", "pid", "watchdog_s"),
    [
        ("30000000", "ours", 30.0),
        ("500000", None, 0.5),
        ("30000000", "1", None),
        ("0", None, None),
        ("soon", None, None),
        (None, None, None),
    ],
)
def test_whether_signs_of_life_are_expected(
    usec: str | None, pid: str | None, watchdog_s: float | None
) -> None:
    pid = str(os.getpid()) if pid == "ours" else pid
    given = {"WATCHDOG_USEC": usec, "WATCHDOG_PID": pid}
    found = notifier({k: v for k, v in given.items() if v is not None})
    assert found.watchdog_s == watchdog_s


async def test_an_agents_life_as_it_is_told(
    manager: Manager, autojump_clock: trio.testing.MockClock
) -> None:
    telling = notifier(environ(manager, WATCHDOG_USEC="10000000"))
    scene = Scene()
    async with supervised_at(None, telling) as supervision:
        await trio.testing.wait_all_tasks_blocked()
        assert manager.told() == ["STATUS=starting", "WATCHDOG=1"]
        supervision.ready(scene.agent)
        assert manager.told() == [
            f"READY=1\nSTATUS=listening in {scene.room.address}; 0 there"
        ]
        await trio.sleep(21)
        assert manager.told() == ["WATCHDOG=1"] * 4
        supervision.leaving()
        assert manager.told() == ["STOPPING=1\nSTATUS=leaving"]


async def test_several_are_ready_when_all_are(
    manager: Manager, autojump_clock: trio.testing.MockClock
) -> None:
    telling = notifier(environ(manager))
    robo, miss = Scene(), Scene()
    async with supervised_at(None, telling, ["Robo", "Miss"]) as supervision:
        await trio.testing.wait_all_tasks_blocked()
        supervision.ready(robo.agent, "Robo")
        assert manager.told() == ["STATUS=starting"]
        supervision.ready(miss.agent, "Miss")
        assert manager.told() == ["READY=1\nSTATUS=2 of 2 agents listening; 0 there"]
        supervision.failed("Robo", "removed")
        await trio.sleep(1.5)
        assert manager.told() == ["STATUS=1 of 2 agents listening; 0 there"]


async def test_an_agent_that_does_not_take_what_waits_shows_no_sign_of_life(
    manager: Manager, autojump_clock: trio.testing.MockClock
) -> None:
    telling = notifier(environ(manager, WATCHDOG_USEC="10000000"))
    scene = Scene()
    async with supervised_at(None, telling) as supervision:
        supervision.ready(scene.agent)  # but nobody runs it
        scene.room.put(LinkRestored())
        await trio.sleep(2)
        manager.told()
        await trio.sleep(60)
        # The first look finds it waiting; from the second on it is stuck.
        assert "WATCHDOG=1" not in manager.told()[1:]
        scene.agent.taken += 1
        await trio.sleep(6)
        assert "WATCHDOG=1" in manager.told()


async def test_an_agent_that_has_failed_does_not_silence_the_others(
    manager: Manager, autojump_clock: trio.testing.MockClock
) -> None:
    telling = notifier(environ(manager, WATCHDOG_USEC="10000000"))
    failed, well = Scene(), Scene()
    async with supervised_at(None, telling, ("failed", "well")) as supervision:
        supervision.ready(failed.agent, "failed")
        supervision.ready(well.agent, "well")
        failed.room.put(LinkRestored())
        supervision.failed("failed", "a bug")
        await trio.sleep(20)
        manager.told()
        await trio.sleep(20)
        assert "WATCHDOG=1" in manager.told()


async def test_who_is_impatient_hears_often_enough(
    manager: Manager, autojump_clock: trio.testing.MockClock
) -> None:
    telling = notifier(environ(manager, WATCHDOG_USEC="500000"))
    async with supervised_at(None, telling):
        for _ in range(10):
            await trio.sleep(1)
            assert manager.told().count("WATCHDOG=1") >= 3


async def test_what_went_wrong_is_kept_until_somebody_asks(
    autojump_clock: trio.testing.MockClock,
) -> None:
    scene = Scene()
    async with supervised_at(None, Notifier()) as supervision:
        supervision.ready(scene.agent)
        for lost in ("no answer", ""):
            scene.agent.link_lost = lost
            await trio.sleep(3)
        supervision.failed("", "removed")
        errors = [e.text for e in supervision.boards.first.turns.errors]
    assert errors == ["lost the room: no answer", "removed"]


async def test_a_loop_that_is_stuck_shows_no_sign_of_life(manager: Manager) -> None:
    telling = notifier(environ(manager, WATCHDOG_USEC="100000"))
    async with supervised_at(None, telling):
        await until(lambda: "WATCHDOG=1" in manager.told())
        time.sleep(0.4)  # noqa: ASYNC251 - that is the point
        assert manager.told() == []
        await until(lambda: "WATCHDOG=1" in manager.told())
