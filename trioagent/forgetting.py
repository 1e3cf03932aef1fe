"""What `!forget` in a text message asks for: that all about its sender is deleted.

What the agent remembers is gone at once. Files are the keepers' affair: they work in
threads, one request after the other, while the agent goes on. The sender is told what
was deleted, and what could not be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Protocol

import attrs
import trio

from trioagent.decisions.identity import identity
from trioagent.errors import TrioagentError
from trioagent.interfaces import Room, Speaker

COMMAND = "!forget"
# Of the same user, what is asked for within this time is done at its end, in one.
AGAIN_S = 10.0
# Users whose requests wait for the disk, or were done just now; more are refused.
MOST_AT_ONCE = 100
# Interrupted turns end in milliseconds; one that does not must not hold this up.
TURNS_END_S = 2.0
# A disk may be slow; one that hangs must not keep the others waiting for ever.
KEEPER_S = 60.0
# A room that takes no text is not waited for.
TELL_S = 10.0

log = logging.getLogger(__name__)


class NotDeleted(TrioagentError):
    """Something that is kept could not be deleted; the log says more."""


class Keeper(Protocol):
    """Keeps something about speakers."""

    @property
    def kept(self) -> str:
        """What it keeps, for people, in the plural: "recordings"."""
        ...

    async def forget(self, speaker: Speaker) -> int:
        """Delete what is kept about this speaker; how much it was.

        If cancelled, what was kept is whole: deleted, or as it was.

        Raises:
            NotDeleted: not all could be deleted; the rest was.
        """
        ...


def asks_to_forget(text: str) -> bool:
    """Whether a text message is the command."""
    return text.strip().casefold() == COMMAND


@attrs.define
class _Request:
    """What one user asked for and is not done yet."""

    speaker: Speaker
    exchanges: int = 0
    """How many are forgotten already."""
    turns_over: list[trio.Event] = attrs.Factory(list)


@attrs.define(eq=False)
class Forgetting:
    """Has the keepers delete what they keep, and tells who asked for it."""

    room: Room
    keepers: Sequence[Keeper]
    later: Callable[[], None] = lambda: None
    """Called `AGAIN_S` after each request: what could not be forgotten at once."""
    _waiting: dict[str, _Request] = attrs.Factory(dict)
    """What was asked for since the user's last request was begun, by identity."""
    _served: set[str] = attrs.Factory(set)
    """Whose requests are being done, or were just now."""
    _one: trio.Lock = attrs.Factory(trio.Lock)

    def ask(
        self,
        speaker: Speaker,
        exchanges: int,
        turns_over: Sequence[trio.Event],
        nursery: trio.Nursery,
    ) -> None:
        """So many exchanges are forgotten; let the keepers forget, in `nursery`.

        They wait until the turns are over that the speaker still had.
        """
        who = identity(speaker)
        if who not in self._served and len(self._served) >= MOST_AT_ONCE:
            log.warning("too many at once want to be forgotten: not %s", speaker.name)
            return
        request = self._waiting.setdefault(who, _Request(speaker))
        request.speaker = speaker
        request.exchanges += exchanges
        request.turns_over.extend(turns_over)
        if who not in self._served:
            self._served.add(who)
            nursery.start_soon(self._serve, who, name=f"forget {speaker.name}")

    async def _serve(self, who: str) -> None:
        try:
            while (request := self._waiting.pop(who, None)) is not None:
                async with self._one:
                    text = await self._forget(request)
                log.info("%s asked to be forgotten: %s", request.speaker.name, text)
                await self._tell(request.speaker, text)
                await trio.sleep(AGAIN_S)
                self.later()
        finally:
            self._served.discard(who)

    async def _forget(self, request: _Request) -> str:
        """Do it; what is to be told."""
        with trio.move_on_after(TURNS_END_S):
            for over in request.turns_over:
                await over.wait()
        deleted = [_counted(request.exchanges, "remembered turns")]
        failed = []
        for keeper in self.keepers:
            try:
                with trio.fail_after(KEEPER_S):
                    count = await keeper.forget(request.speaker)
            except NotDeleted as error:
                failed.append(f"{keeper.kept} ({error.message})")
            except Exception:
                log.exception("cannot forget %s", keeper.kept)
                failed.append(keeper.kept)
            else:
                deleted.append(_counted(count, keeper.kept))
        return _told([part for part in deleted if part], failed)

    async def _tell(self, speaker: Speaker, text: str) -> None:
        with trio.move_on_after(TELL_S) as telling:
            try:
                await self.room.send_text(text, to=speaker)
            except Exception:
                log.exception("cannot tell %s what was forgotten", speaker.name)
        if telling.cancelled_caught:
            log.warning("%s could not be told what was forgotten", speaker.name)


def _counted(count: int, what: str) -> str:
    return f"{count} {what.removesuffix('s') if count == 1 else what}" if count else ""


def _told(deleted: Sequence[str], failed: Sequence[str]) -> str:
    text = f"Deleted: {', '.join(deleted)}." if deleted else ""
    if failed:
        text += f" Could not be deleted: {', '.join(failed)}. Ask who runs this agent."
    return text.strip() or "Nothing is kept about you."
