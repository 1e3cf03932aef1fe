"""Telling people that they are recorded: at once, but not without end."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NoReturn

import trio

if TYPE_CHECKING:
    from trioagent.interfaces import Room
    from trioagent.recording.tape import RoomTape

# Of so many within such a time, the next waits: people may come and go all the time.
# Servers take one text a second, and drop some when there are more.
BURST = 5
BURST_S = 10.0
# Those who come together are told together.
TOGETHER_S = 0.1


async def announce(text: str, tape: RoomTape, room: Room) -> NoReturn:
    """Tell those who are there and each who comes, whom the tape calls untold.

    One alone is told privately; several, and all after the link was lost, in the
    channel.
    """
    told: deque[float] = deque(maxlen=BURST)
    while True:
        await tape.news.wait()
        await trio.sleep(TOGETHER_S)
        if len(told) == BURST:
            await trio.sleep_until(told[0] + BURST_S)
        tape.news = trio.Event()
        untold, tape.untold = tape.untold, {}
        if untold == {}:
            continue  # they have left again
        told.append(trio.current_time())
        one = next(iter(untold.values())) if untold and len(untold) == 1 else None
        await room.send_text(text, to=one)
