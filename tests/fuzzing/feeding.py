"""Inputs as they come over a network: in pieces."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import trio

if TYPE_CHECKING:
    from collections.abc import Sequence

_STEPS = (1, 3, 10, 31, 97, 200, 301, 1 << 20)
_CUT_BYTES = 600


def pieces(data: bytes) -> list[bytes]:
    """`data`, cut in places that it says itself: byte by byte, or hardly at all."""
    step = _STEPS[zlib.crc32(data) % len(_STEPS)]
    cut = [data[i : i + step] for i in range(0, min(len(data), _CUT_BYTES), step)]
    rest = data[len(cut) * step :]
    return [*cut, rest] if rest else cut


class Fed:
    """A stream that gives what it was made with, and takes anything."""

    def __init__(self, parts: Sequence[bytes]) -> None:
        self.socket = self
        self.feed(parts)

    def feed(self, parts: Sequence[bytes]) -> None:
        """From now on give these, none of them empty."""
        self._parts = parts
        self._given = 0

    @property
    def left(self) -> bytes:
        """What has not been given yet."""
        return b"".join(self._parts[self._given :])

    async def receive_some(self, _most: int | None = None) -> bytes:
        # Without a step of Trio's loop: most of an input's time would go there.
        await trio.lowlevel.checkpoint_if_cancelled()
        if self._given == len(self._parts):
            await trio.lowlevel.checkpoint()
            return b""
        self._given += 1
        return self._parts[self._given - 1]

    async def send_all(self, _data: bytes) -> None:
        await trio.lowlevel.checkpoint()

    def close(self) -> None:
        self.feed(())
