"""What the agent and a recognizer's process of its own say to each other.

A request is `REQUEST` (what, utterance, length) and that much audio; a reply is `REPLY`
(utterance, length) and that much JSON: "text", or "error" and "hint". Each request but
`CLOSE` has one reply, and an utterance has one request at a time. What is said of no
utterance: when the model is loaded, "text" describes it; and `CLOSE` is confirmed.
"""

from __future__ import annotations

import json
import struct

import trio

REQUEST = struct.Struct("<cII")
REPLY = struct.Struct("<II")

FEED, FINISH, CLOSE = b"a", b"f", b"x"

NO_UTTERANCE = 0

READ_BYTES = 1 << 16
MAX_REPLY_BYTES = 1 << 20


def read_reply(body: bytes) -> dict[str, str] | None:
    """What a reply says; None if it is none: a library has printed into the pipe."""
    try:
        reply = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(reply, dict) or not {"text", "error"} & reply.keys():
        return None
    said = {"hint": "", **reply}
    return said if all(isinstance(text, str) for text in said.values()) else None


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
