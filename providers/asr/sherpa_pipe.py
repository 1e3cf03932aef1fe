"""What the agent and a recognizer's process of its own say to each other.

A request is `REQUEST` (what, utterance, length) and that much audio; a reply is `REPLY`
(utterance, length) and that much JSON: "text", or "error" and "hint". Each request but
`CLOSE` has one reply, and an utterance has one request at a time. What is said of no
utterance is said once, when the model is loaded: "text" describes it.
"""

from __future__ import annotations

import struct

import trio

REQUEST = struct.Struct("<cII")
REPLY = struct.Struct("<II")

FEED, FINISH, CLOSE = b"a", b"f", b"x"

NO_UTTERANCE = 0

READ_BYTES = 1 << 16


class Reader:
    """Reads a stream of bytes in given amounts."""

    def __init__(self, stream: trio.abc.ReceiveStream) -> None:
        self._stream = stream
        self._unread = bytearray()

    async def exactly(self, length: int) -> bytes | None:
        """Return so many bytes; None if the stream ends before.

        If cancelled, nothing is lost.
        """
        await trio.lowlevel.checkpoint()
        while len(self._unread) < length:
            data = await self._stream.receive_some(READ_BYTES)
            if not data:
                return None
            self._unread += data
        taken = bytes(self._unread[:length])
        del self._unread[:length]
        return taken
