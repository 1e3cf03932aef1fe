"""A Mumble channel over pymumble, an optional alternative to the native client.

The room is the native one; only its connection is another: pymumble's thread. There
is no UDP, as pymumble knows none.
"""

from __future__ import annotations

import importlib.util
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs

from providers.rooms.mumble.room import MumbleRoom, open_mumble
from trioagent.config import MumbleConfig
from trioagent.errors import ProviderUnavailable
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def unavailable(_config: MumbleConfig) -> str | None:
    """Return why the room cannot be opened here, or None."""
    if importlib.util.find_spec("pymumble_py3") is None:
        return "pymumble is not installed."
    return None


@asynccontextmanager
async def open_pymumble(config: MumbleConfig) -> AsyncIterator[MumbleRoom]:
    """Join the room, as `open_mumble` does.

    Raises:
        ProviderUnavailable: pymumble or libopus is not installed.
        RoomUnreachable, RoomRejected, ConfigError: as with the native client.
    """
    reason = unavailable(config)
    if reason is not None:
        raise ProviderUnavailable(reason, hint="pip install 'trioagent[pymumble]'")
    from providers.rooms.pymumble_link import connect  # noqa: PLC0415 - needs pymumble

    async with open_mumble(attrs.evolve(config, udp=False), connect) as room:
        yield room


PROVIDER = Provider(options=MumbleConfig, open=open_pymumble, unavailable=unavailable)
