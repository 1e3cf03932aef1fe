"""What the server told us about its channels and users. Nothing in here does I/O."""

from __future__ import annotations

import string

import attrs

from providers.rooms.mumble.messages import (
    ChannelRemove,
    ChannelState,
    Message,
    ServerConfig,
    ServerSync,
    TextMessage,
    UserRemove,
    UserState,
)
from providers.rooms.mumble.plain import clean_name, short
from trioagent.interfaces import Speaker

ROOT = 0
_MAX_LISTED = 30
_DEEPEST = 100
"""Channels within each other; servers allow ten, unless they are told otherwise."""
_MAX_HASH = 128


class NoSuchChannel(LookupError):
    """There is no channel of this path; says which ones there are."""


@attrs.frozen
class Channel:
    """A channel; `parent` is None for the root."""

    name: str = ""
    parent: int | None = None


@attrs.frozen
class User:
    """A user; `silenced` is what keeps others from hearing it: mute or no right."""

    name: str = ""
    channel_id: int = ROOT
    muted: bool = False
    suppressed: bool = False
    agent: bool = False
    """Whether its comment says that it is an agent like ours."""
    certificate: str = ""
    """The hash that the server made of its certificate, in lower case."""


AGENT_MARK = "trioagent:"
"""In the comment of a user who is one of us; see `MumbleConfig.comment`."""


@attrs.define(eq=False)
class ServerState:
    """The server as it is now, kept up to date by its messages."""

    session: int | None = None
    max_bandwidth_bps: int | None = None
    message_length: int = 5000
    channels: dict[int, Channel] = attrs.Factory(dict)
    users: dict[int, User] = attrs.Factory(dict)

    def apply(self, message: Message) -> None:
        """Take in a message; those that change nothing here are ignored."""
        match message:
            case ChannelState(channel_id=channel_id):
                self._channel_changed(channel_id or ROOT, message)
            case ChannelRemove(channel_id=int(channel_id)):
                self.channels.pop(channel_id, None)
            case UserState(session=int(session)):
                self._user_changed(session, message)
            case UserRemove(session=int(session)):
                self.users.pop(session, None)
            case ServerSync(session=int(session)):
                self.session = session
                self._limits_changed(message.max_bandwidth, None)
            case ServerConfig():
                self._limits_changed(message.max_bandwidth, message.message_length)
            case _:
                pass

    @property
    def own(self) -> User:
        """Ourselves, as the server sees us."""
        return self.users.get(self.session if self.session is not None else -1, User())

    def person(self, session: int) -> Speaker | None:
        """Return who has this session, in whatever channel; not ourselves."""
        user = self.users.get(session)
        if user is None or session == self.session:
            return None
        return Speaker(session, user.name, user.agent, user.certificate)

    def speaker(self, session: int) -> Speaker | None:
        """Return who has this session, if they are in our channel."""
        user = self.users.get(session)
        if user is None or user.channel_id != self.own.channel_id:
            return None
        return self.person(session)

    def speakers(self) -> dict[int, Speaker]:
        """Return who is in our channel, by session, without ourselves."""
        found = ((session, self.speaker(session)) for session in self.users)
        return {session: speaker for session, speaker in found if speaker is not None}

    def addresses_us(self, message: TextMessage) -> bool:
        """Whether this was written to us, to our channel or to what it is part of."""
        here = self.own.channel_id
        if self.session in message.session or here in message.channel_id:
            return True
        return bool({ROOT, *self._lineage(here)} & set(message.tree_id))

    def path(self, channel_id: int) -> str:
        """Return the path of a channel, "Lobby/Bots"; the root's is empty."""
        lineage = self._lineage(channel_id)
        known = [self.channels[each] for each in lineage if each in self.channels]
        return "/".join(channel.name for channel in reversed(known))

    def _lineage(self, channel_id: int) -> dict[int, None]:
        """Return a channel and those it is part of, without the root."""
        seen: dict[int, None] = {}
        while channel_id != ROOT and channel_id in self.channels:
            # No server should, but it would never end, or not soon.
            if channel_id in seen or len(seen) == _DEEPEST:
                break
            seen[channel_id] = None
            parent = self.channels[channel_id].parent
            channel_id = ROOT if parent is None else parent
        return seen

    def find(self, path: str) -> int:
        """Return the id of the channel at `path`; upper and lower case may differ.

        The root may be named in front or left out; "/" is the root itself.

        Raises:
            NoSuchChannel: there is none, or there are several.
        """
        parts = [part for part in map(short, path.split("/")) if part]
        wanted = "/".join(parts)
        root = self.channels.get(ROOT, Channel()).name
        rooted = "/".join(parts[1:]) if parts and parts[0] == root else None
        paths = {channel_id: self.path(channel_id) for channel_id in self.channels}
        for candidate in (wanted, rooted):
            for same in (str, str.casefold):
                found = [
                    channel_id
                    for channel_id, name in paths.items()
                    if candidate is not None and same(name) == same(candidate)
                ]
                if len(found) == 1:
                    return found[0]
        raise NoSuchChannel(_listed(path, sorted(filter(None, paths.values()))))

    def _channel_changed(self, channel_id: int, change: ChannelState) -> None:
        channel = self.channels.get(channel_id, Channel())
        self.channels[channel_id] = Channel(
            channel.name if change.name is None else short(change.name),
            channel.parent if change.parent is None else change.parent,
        )

    def _user_changed(self, session: int, change: UserState) -> None:
        user = self.users.get(session, User())
        self.users[session] = User(
            clean_name(change.name or "", session)
            if change.name is not None or not user.name
            else user.name,
            user.channel_id if change.channel_id is None else change.channel_id,
            user.muted if change.mute is None else change.mute,
            user.suppressed if change.suppress is None else change.suppress,
            user.agent if change.comment is None else AGENT_MARK in change.comment,
            user.certificate if change.hash is None else _hash(change.hash),
        )

    def _limits_changed(self, bandwidth: int | None, length: int | None) -> None:
        if bandwidth is not None:
            self.max_bandwidth_bps = bandwidth
        if length is not None:
            self.message_length = length


def _hash(text: str) -> str:
    """Return a certificate's hash in lower case; nothing if it is none."""
    hexadecimal = len(text) <= _MAX_HASH and set(text) <= set(string.hexdigits)
    return text.lower() if hexadecimal else ""


def _listed(path: str, existing: list[str]) -> str:
    if not existing:
        return f'There is no channel "{path}"; the server has only its root.'
    shown = ", ".join(f'"{name}"' for name in existing[:_MAX_LISTED])
    more = len(existing) - _MAX_LISTED
    tail = f" and {more} more" if more > 0 else ""
    return f'There is no channel "{path}"; the server has {shown}{tail}.'
