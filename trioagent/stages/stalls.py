"""Stalls of our own event loop, which are nobody's silence."""

from __future__ import annotations

import trio

# A timer that is so late tells of a stall: packets wait in the room's socket.
STALLED_S = 0.02
# Of the event loop, until somebody's first packet after a stall is heard in a crowd of
# twenty: one to read the socket, then the packets of the others before it.
ROUNDS_TO_HEAR = 10


async def let_packets_in(due: float) -> None:
    """Let rooms and ears take what waits, if a timer that was `due` comes late.

    What was said meanwhile has to decide before the clock does.
    """
    if trio.current_time() - due > STALLED_S:
        for _ in range(ROUNDS_TO_HEAR):
            await trio.lowlevel.checkpoint()
