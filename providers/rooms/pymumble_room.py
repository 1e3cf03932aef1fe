"""A Mumble channel over pymumble, an optional alternative to the native client.

The room is the native one; only its connection is another: pymumble's thread. There
is no UDP, as pymumble knows none.
"""

from __future__ import annotations

import importlib.util
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from providers import opus
from providers.rooms.mumble.login import NameInUse, Session
from providers.rooms.mumble.room import GHOST_S, MumbleRoom
from providers.rooms.mumble.tls import make_context
from trioagent.config import MumbleConfig
from trioagent.errors import ProviderUnavailable, RoomError, RoomUnreachable
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.rooms.mumble.backoff import Backoff

log = logging.getLogger(__name__)

LAST_WORD_S = 0.02
"""The end of the talk spurt takes this long to get out, with something to spare."""


def unavailable(_config: MumbleConfig) -> str | None:
    """Return why the room cannot be opened here, or None."""
    if importlib.util.find_spec("pymumble_py3") is None:
        return "pymumble is not installed."
    return None


@asynccontextmanager
async def open_pymumble(config: MumbleConfig) -> AsyncIterator[MumbleRoom]:
    """Join the room, as `providers.rooms.mumble.room.open_mumble` does.

    Raises:
        ProviderUnavailable: pymumble or libopus is not installed.
        RoomUnreachable, RoomRejected, ConfigError: as with the native client.
    """
    reason = unavailable(config)
    if reason is not None:
        raise ProviderUnavailable(reason, hint="pip install 'trioagent[pymumble]'")
    await trio.to_thread.run_sync(opus.library)
    context = await trio.to_thread.run_sync(make_context, config)
    room = PymumbleRoom(attrs.evolve(config, udp=False), context)
    link = room.use(await room.connect(config.channel))
    failure: Exception | None = None
    refusal: RoomError | None = None

    async def stay() -> None:
        nonlocal refusal
        refusal = await room.stay(link)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stay, name=f"pymumble: room {room.address}")
        try:
            yield room
            room.end_talk()
            await trio.sleep(LAST_WORD_S)
        except Exception as error:  # noqa: BLE001 - raised below, in no group
            failure = error
        nursery.cancel_scope.cancel()
    # A refusal ended the block: what the block made of that is only the consequence.
    if refusal is not None:
        raise refusal from failure
    if failure is not None:
        raise failure


PROVIDER = Provider(options=MumbleConfig, open=open_pymumble, unavailable=unavailable)


class PymumbleRoom(MumbleRoom):
    """A Mumble channel, joined through pymumble."""

    async def connect(self, path: str) -> Session:
        """Connect and enter the channel at `path`; see `pymumble_link.connect`."""
        # Here, because it imports pymumble.
        from providers.rooms import pymumble_link  # noqa: PLC0415

        return await pymumble_link.connect(self._config, self._context, path)

    async def _reconnect(self, backoff: Backoff) -> Session | RoomError:
        lost_at = trio.current_time()
        path = self._path or "/"
        while True:
            await trio.sleep(backoff.next_s(trio.current_time()))
            try:
                return await self.connect(path)
            except NameInUse as error:
                if trio.current_time() - lost_at > GHOST_S:
                    return error
            except RoomUnreachable as error:
                log.info("Not back yet: %s", error.message)
            except RoomError as error:
                return error
