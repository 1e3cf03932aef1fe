"""How a room comes back after a loss, without a server and without waiting."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from providers.rooms.mumble.backoff import Backoff
from providers.rooms.mumble.login import NameInUse
from providers.rooms.mumble.room import GHOST_S, MumbleRoom
from trioagent.config import MumbleConfig
from trioagent.errors import RoomError, RoomRejected, RoomUnreachable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trio.testing import MockClock


class Server:
    """Answers each attempt to connect with the next error; then it lets us in."""

    def __init__(self, errors: Iterable[RoomError]) -> None:
        self.errors = iter(errors)
        self.asked: list[float] = []
        self.paths: list[str] = []

    async def connect(self, _config: object, _context: object, path: str) -> str:
        await trio.lowlevel.checkpoint()
        self.asked.append(trio.current_time())
        self.paths.append(path)
        for error in self.errors:
            raise error
        return "a session"


async def _come_back(server: Server) -> object:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    room = MumbleRoom(MumbleConfig(), context, server.connect)
    return await room._reconnect(Backoff(0.25, 15.0))


async def test_an_absent_server_is_tried_for_ever_but_ever_slower(
    autojump_clock: MockClock,
) -> None:
    server = Server(RoomUnreachable("absent") for _ in range(50))
    assert await _come_back(server) == "a session"
    pauses = np.diff(server.asked)
    assert len(server.asked) == 51
    assert pauses[0] < 1
    assert pauses.max() == pytest.approx(15.0)
    assert set(server.paths) == {"/"}


async def test_our_own_ghost_is_waited_for(
    autojump_clock: MockClock,
) -> None:
    server = Server(NameInUse("name in use") for _ in range(5))
    assert await _come_back(server) == "a session"


async def test_a_name_that_stays_in_use_is_final(
    autojump_clock: MockClock,
) -> None:
    server = Server(NameInUse("name in use") for _ in range(500))
    began = trio.current_time()
    assert isinstance(await _come_back(server), NameInUse)
    assert GHOST_S < trio.current_time() - began < 2 * GHOST_S


async def test_a_rejection_is_final(
    autojump_clock: MockClock,
) -> None:
    refusal = RoomRejected("banned")
    server = Server([RoomUnreachable("absent"), refusal])
    assert await _come_back(server) is refusal
    assert len(server.asked) == 2


def test_a_room_without_a_link_drops_what_is_said_and_counts_it() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    room = MumbleRoom(MumbleConfig(), context, Server([]).connect)
    room.write(np.zeros(320, np.int16), 16_000)
    room.end_talk()
    assert room.dropped == 1
