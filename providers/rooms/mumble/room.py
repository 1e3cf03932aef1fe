"""A Mumble channel as a `Room`: it stays joined, whatever the network does."""

from __future__ import annotations

import logging
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from providers import opus
from providers.rooms.mumble.backoff import Backoff
from providers.rooms.mumble.dial import where
from providers.rooms.mumble.figures import room_figures, voice_figures
from providers.rooms.mumble.inbox import EventInbox
from providers.rooms.mumble.link import Link, connect
from providers.rooms.mumble.login import NameInUse, Session
from providers.rooms.mumble.speaking import Speaking
from providers.rooms.mumble.text import split_text
from providers.rooms.mumble.tls import make_context
from trioagent.config import MumbleConfig
from trioagent.errors import RoomError, RoomRejected, RoomUnreachable, TrioagentError
from trioagent.interfaces import LinkLost, LinkRestored, Pcm, Speaker, SpeakerLeft

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.rooms.mumble.control import LinkDown

log = logging.getLogger(__name__)

LAST_WORD_S = 0.02
"""Over TCP the end of the talk spurt takes this long to get out, and less."""

GHOST_S = 30.0
"""So long after a loss the server may still count us as there, under our name."""


Connect = Callable[["MumbleConfig", "ssl.SSLContext", str], Awaitable["Session"]]
"""Makes a session in the channel of this path; `link.connect` is the native one."""


@asynccontextmanager
async def open_mumble(
    config: MumbleConfig, connect: Connect = connect
) -> AsyncIterator[MumbleRoom]:
    """Join the room; reconnect for as long as the block runs; leave it.

    A loss of the link is told as `LinkLost`, and the room comes back by itself. If the
    server refuses us then, or removes us, `events` ends and `RoomRejected` is raised
    here. Leaving the block, or being cancelled, takes 0.5 s at most.

    Raises:
        RoomUnreachable: nobody there, or no Mumble server.
        RoomRejected: the server said no, or its certificate is not trusted.
        ConfigError: a file of certificates, keys or pins cannot be used.
        ProviderUnavailable: libopus is not installed.
    """
    await trio.to_thread.run_sync(opus.library)
    context = await trio.to_thread.run_sync(make_context, config)
    room = MumbleRoom(config, context, connect)
    link = room.use(await connect(config, context, config.channel))
    failure: Exception | None = None
    refusal: RoomError | None = None

    async def stay() -> None:
        nonlocal refusal
        refusal = await room.stay(link)
        nursery.cancel_scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(stay, name=f"mumble: room {room.address}")
        try:
            yield room
        except Exception as error:  # noqa: BLE001 - raised below, in no group
            failure = error
        room.end_talk()
        await trio.sleep(LAST_WORD_S)
        nursery.cancel_scope.cancel()
    # A refusal ended the block: what the block made of that is only the consequence.
    if refusal is not None:
        raise refusal from failure
    if failure is not None:
        raise failure


@attrs.define(eq=False)
class MumbleRoom:
    """A Mumble channel, joined. `open_mumble` makes it; see `trioagent.Room`."""

    _config: MumbleConfig
    _context: ssl.SSLContext
    _connect: Connect
    _inbox: EventInbox = attrs.Factory(EventInbox)
    _speaking: Speaking = attrs.Factory(Speaking)
    _link: Link | None = None
    _path: str = ""
    dropped: int = 0
    """Frames that were not sent: the link was down or could not take them."""
    _past: Counter[str] = attrs.Factory(Counter)
    """The figures of earlier links."""
    _losses: int = 0

    @property
    def name(self) -> str:
        """The agent's user name."""
        return self._config.user

    @property
    def address(self) -> str:
        """Return "host:port/channel"; the root channel has an empty name."""
        path = self._path if self._link is None else self._link.path
        return f"{where(self._config)}/{path}"

    @property
    def over_udp(self) -> bool:
        """Whether our voice goes over UDP now."""
        return self._link is not None and self._link.voice.over_udp

    @property
    def events(self) -> EventInbox:
        """What happens; see `EventInbox` for what is dropped when nobody reads."""
        return self._inbox.events

    @property
    def figures(self) -> dict[str, int | float]:
        """How the room fares: what came and was dropped, over all connections.

        Counts of packets, messages or users; `udp_round_trip_ms` is of the last ping.
        docs/mumble.md says what each means.
        """
        own = {
            "frames_dropped": self.dropped,
            "losses": self._losses,
            "over_udp": int(self.over_udp),
        }
        return room_figures(self._past, self._link, self._inbox) | own

    def frame_rate_hz(self, source_rate_hz: int) -> int:
        """Return the source's own rate if Opus takes it, else the next higher."""
        return opus.next_rate_hz(source_rate_hz)

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:
        """Encode and send one frame now, or drop and count it."""
        if self._link is None:
            self.dropped += 1
            return
        try:
            now = trio.current_time()
            packet = self._speaking.packet(frame, rate_hz, now, last=last)
        except opus.OpusError as error:
            log.error("A frame was not sent: %s", error)  # noqa: TRY400 - never raises
            self.dropped += 1
            return
        self._send(self._link, packet, last=last)

    def end_talk(self) -> None:
        """End the talk spurt, if one is open, with one frame of silence."""
        if self._link is None:
            return
        packet = self._speaking.end(trio.current_time())
        if packet is not None:
            self._send(self._link, packet, last=True)

    async def send_text(self, text: str, to: Speaker | None = None) -> None:
        """Write to the channel, or to one user, in as many messages as it takes.

        It goes as HTML that shows `text` and nothing else. The server takes 4 messages
        at once and 1 per second after that. What is written while the link is down is
        lost, and what is for one user if they left, whoever has their place now. If
        cancelled, the rest is not sent.
        """
        await trio.lowlevel.checkpoint()
        limit = self._link.message_length if self._link is not None else 0
        for html in split_text(text, limit):
            link = self._link
            if link is not None:
                await trio.sleep_until(link.pacer.reserve(trio.current_time()))
            if link is None or link is not self._link or not link.send_text(html, to):
                log.warning("A chat message is lost: nobody is there to take it.")

    def use(self, session: Session) -> Link:
        """Speak and listen through this session from now on."""
        link = self._link = Link(self._config, session, self._inbox.put)
        self._speaking.set_bitrate(link.bitrate_bps)
        return link

    async def stay(self, link: Link) -> RoomError:
        """Stay in the room: let the link work, reconnect, let that one work.

        Returns only when the server, or we, said no, and why.
        """
        backoff = Backoff(self._config.reconnect_min_s, self._config.reconnect_max_s)
        try:
            while True:
                backoff.connected(trio.current_time())
                end = await link.run()
                if isinstance(end, RoomError):
                    return end
                self._lost(link, end)
                session = await self._reconnect(backoff)
                if isinstance(session, RoomError):
                    return session
                link = self.use(session)
                log.info("%s: back again", self.address)
                self._inbox.put(LinkRestored())
        finally:
            self._link = None
            self._speaking.close()
            self._inbox.end()

    def _send(self, link: Link, packet: bytes, *, last: bool) -> None:
        if not link.voice.send(packet, last=last):
            self.dropped += 1

    def _lost(self, link: Link, why: LinkDown) -> None:
        self._link, self._path = None, link.path
        self._past.update(voice_figures(link))
        self._losses += 1
        self._speaking.forget_spurt()
        log.warning("%s: %s", self.address, why)
        self._inbox.put(LinkLost(str(why)))
        for speaker in link.hearing.speakers.values():
            self._inbox.put(SpeakerLeft(speaker))

    async def _reconnect(self, backoff: Backoff) -> Session | RoomError:
        """Try until it works, or the server, or we, said no."""
        lost_at = trio.current_time()
        path = self._path or "/"  # the root, wherever newcomers are put
        while True:
            await trio.sleep(backoff.next_s(trio.current_time()))
            try:
                return await self._connect(self._config, self._context, path)
            except NameInUse as error:
                if trio.current_time() - lost_at > GHOST_S:
                    return error
            except RoomUnreachable as error:
                log.info("Not back yet: %s", error.message)
            except RoomError as error:
                return error
            except TrioagentError as error:  # the file of pins broke meanwhile
                return RoomRejected(error.message, hint=error.hint)
