"""One connection to the server, from the login until it is lost."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import attrs
import trio

from providers.rooms.mumble.control import ControlStream, LinkDown
from providers.rooms.mumble.dial import Patience, dial
from providers.rooms.mumble.hearing import Hearing
from providers.rooms.mumble.login import Session, join, log_in, removed
from providers.rooms.mumble.messages import (
    CryptSetup,
    Message,
    PermissionDenied,
    Ping,
    TextMessage,
    UserRemove,
    UserState,
    VoiceTunnel,
)
from providers.rooms.mumble.plain import plain_text, short
from providers.rooms.mumble.sender import Sender
from providers.rooms.mumble.speaking import allowed_bitrate_bps
from providers.rooms.mumble.text import Pacer
from providers.rooms.mumble.voice_path import VoicePath
from providers.rooms.mumble.wire import ProtocolError
from trioagent.config import MumbleConfig
from trioagent.errors import RoomError
from trioagent.interfaces import RoomEvent, Speaker, SpeakerJoined, SpeakerLeft
from trioagent.interfaces import TextMessage as Written

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable


log = logging.getLogger(__name__)

PING_S = 2.0
SILENT_S = 10.0
"""A server that sends nothing for so long, not even answers to pings, is gone."""

_MICROSECONDS = 1_000_000


async def connect(config: MumbleConfig, context: ssl.SSLContext, path: str) -> Session:
    """Connect, log in and enter the channel at `path`. If cancelled, closes all.

    Raises:
        RoomError: as `dial`, `log_in` and `join`, or it took `connect_timeout_s`.
        ConfigError: the file of pins cannot be used.
    """
    patience = Patience(config)
    with patience.limited():
        control = ControlStream(await dial(config, context, patience))
        try:
            session = await log_in(control, config, patience)
            await join(session, config, path, patience)
        except BaseException:
            await control.aclose()
            raise
    return session


@attrs.define(eq=False)
class Link:
    """A session at work. `emit` gets what happens; it must not wait."""

    _config: MumbleConfig
    _session: Session
    _emit: Callable[[RoomEvent], None]
    hearing: Hearing = attrs.Factory(Hearing)
    pacer: Pacer = attrs.Factory(Pacer)
    sender: Sender = attrs.field(init=False)
    voice: VoicePath = attrs.field(init=False)
    _received_at: float = attrs.Factory(trio.current_time)
    _end: LinkDown | RoomError | None = None
    _tasks: trio.CancelScope = attrs.Factory(trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        self.sender = Sender(self._session.control, self.bitrate_bps)
        self.voice = VoicePath(self.sender, self.hearing, self._emit)

    @property
    def path(self) -> str:
        """The path of the channel we are in."""
        return self._session.state.path(self._session.state.own.channel_id)

    @property
    def bitrate_bps(self) -> int:
        """What Opus may use here."""
        return allowed_bitrate_bps(
            self._config.bitrate_kbps * 1000, self._session.state.max_bandwidth_bps
        )

    @property
    def message_length(self) -> int:
        """How long a chat message may be, in UTF-16 units; 0: any length."""
        return self._session.state.message_length

    @property
    def users(self) -> int:
        """How many are on the server, ourselves included."""
        return len(self._session.state.users)

    @property
    def figures(self) -> dict[str, int]:
        """What waits in front of the link, if anything can."""
        return self._session.control.figures

    def send_text(self, html: str, to: Speaker | None = None) -> bool:
        """Send one chat message to our channel, or to one user. False: it is dropped.

        It is, too, if somebody else has the session of `to` by now.
        """
        state = self._session.state
        if to is None:
            message = TextMessage(channel_id=(state.own.channel_id,), message=html)
            return self.sender.put(message)
        now = state.person(to.id)
        if now is None or (now.name, now.certificate) != (to.name, to.certificate):
            return False
        return self.sender.put(TextMessage(session=(to.id,), message=html))

    async def run(self) -> LinkDown | RoomError:
        """Work until the link is lost; return why. If cancelled, closes all."""
        session = self._session
        try:
            if self._config.udp:
                self.voice.open_udp(session.control, session.crypt_setup)
            self._sync_speakers(self._session.state.users)
            with self._tasks:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._send, name="mumble: sender")
                    nursery.start_soon(self._keep_alive, name="mumble: pings")
                    nursery.start_soon(self.voice.run, name="mumble: UDP")
                    nursery.start_soon(self._read, name="mumble: reader")
        finally:
            self.voice.close()
            self.hearing.close()
            await session.control.aclose()  # bounded and shielded
        return self._end or LinkDown("the connection ended")

    def _stop(self, why: LinkDown | RoomError) -> None:
        self._end = self._end or why
        self._tasks.cancel()

    async def _send(self) -> None:
        await trio.lowlevel.checkpoint()
        try:
            await self.sender.run()
        except LinkDown as error:
            self._stop(error)

    async def _read(self) -> None:
        await trio.lowlevel.checkpoint()
        try:
            while self._end is None:
                message = await self._session.control.receive()
                self._received_at = trio.current_time()
                self._handle(message)
        except LinkDown as error:
            self._stop(error)
        except ProtocolError as error:
            self._stop(LinkDown(f"the server sent {error}"))

    async def _keep_alive(self) -> None:
        while True:
            now = trio.current_time()
            if now - self._received_at > SILENT_S:
                self._stop(LinkDown(f"the server was silent for {SILENT_S:g} s"))
            quality = self.voice.quality
            self.sender.put(
                Ping(
                    timestamp=int(now * _MICROSECONDS),
                    good=quality.good,
                    late=quality.late,
                    lost=quality.lost,
                    resync=quality.resyncs,
                )
            )
            await trio.sleep(PING_S)

    def _handle(self, message: Message) -> None:
        state = self._session.state
        match message:
            case VoiceTunnel(packet=packet):
                self.voice.tunnelled(packet)
                return
            case Ping(timestamp=int(timestamp)):
                trip_s = self._received_at - timestamp / _MICROSECONDS
                self.sender.measured_round_trip(trip_s)
                return
            case CryptSetup():
                self.voice.crypt_setup(message)
                return
            case TextMessage():
                self._text(message)
                return
            case UserRemove(session=state.session):
                self._stop(removed(message, state, self._config))
            case PermissionDenied(kind=kind, reason=reason):
                log.warning(
                    "The server denies us something (type %s): %s", kind, short(reason)
                )
            case _:
                pass
        was_in = state.own.channel_id
        state.apply(message)
        if state.own.channel_id != was_in:
            self._sync_speakers({**self.hearing.speakers, **state.users})
        elif isinstance(message, UserState | UserRemove):
            self._sync_speakers(() if message.session is None else (message.session,))
        if isinstance(message, UserState) and message.session == state.session:
            self._note_silenced(message)

    def _text(self, message: TextMessage) -> None:
        """Pass on what somebody wrote to us or to our channel, if it says anything."""
        state = self._session.state
        writer = None if message.actor is None else state.person(message.actor)
        if writer is None or not state.addresses_us(message):
            return
        text = plain_text(message.message or "")
        if text:
            private = not (message.channel_id or message.tree_id)
            self._emit(Written(writer, text, private))

    def _sync_speakers(self, sessions: Iterable[int]) -> None:
        """Tell who of these came and went since the last time: leavers first."""
        state = self._session.state
        changes = [(self.hearing.speaker(s), state.speaker(s)) for s in sessions]
        for before, now in changes:
            if before is not None and before != now:
                self.hearing.left(before)
                if now is None:
                    self._emit(SpeakerLeft(before))
        for before, now in changes:
            if now is not None and before != now:
                self.hearing.joined(now)
                self._emit(SpeakerJoined(now))

    def _note_silenced(self, change: UserState) -> None:
        if change.mute or change.suppress:
            log.warning(
                'The server keeps "%s" from being heard in "%s": muted, or without '
                "the right to speak there.",
                self._config.user,
                self.path,
            )
