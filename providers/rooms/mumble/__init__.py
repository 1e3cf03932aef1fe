"""Mumble, natively on Trio: no threads, no protobuf package, voice over UDP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trioagent.config import MumbleConfig
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from trioagent.interfaces import Room

__all__ = ["PROVIDER", "open_mumble"]


def open_mumble(config: MumbleConfig) -> AbstractAsyncContextManager[Room]:
    """Join a room; see `room.open_mumble`."""
    # Only now: it takes a quarter of a second to load codec and encryption.
    from providers.rooms.mumble import room  # noqa: PLC0415

    return room.open_mumble(config)


PROVIDER = Provider(options=MumbleConfig, open=open_mumble)
