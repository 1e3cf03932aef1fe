"""What a Mumble server, or who sends UDP in its name, makes us read."""

from __future__ import annotations

import functools
import struct
import unicodedata
from typing import get_args

import numpy as np

from providers.opus import Encoder
from providers.rooms.mumble import messages, voice_packets, wire
from providers.rooms.mumble.control import ControlStream
from providers.rooms.mumble.dial import Patience
from providers.rooms.mumble.hearing import Hearing
from providers.rooms.mumble.login import join, log_in, removed
from providers.rooms.mumble.ocb2 import Ocb2
from providers.rooms.mumble.plain import clean_name, plain_text, short
from providers.rooms.mumble.reorder import Packet, Reorder
from providers.rooms.mumble.state import NoSuchChannel, ServerState
from providers.rooms.mumble.text import split_text
from providers.rooms.server_ping import REPLY, _info
from tests.fuzzing.feeding import Fed, pieces
from tests.fuzzing.target import Target, is_short
from trioagent.config import MumbleConfig
from trioagent.errors import RoomRejected, RoomUnreachable
from trioagent.interfaces import Speaker

_KEY = bytes(range(16))
_NONCE = b"\0" * 16


# --- the control stream ----------------------------------------------------------


def _valid_messages() -> list[wire.Message]:
    return [
        messages.Version(version_v1=1 << 16, release="1.5", os="Linux"),
        messages.CryptSetup(key=_KEY, client_nonce=_NONCE, server_nonce=_NONCE),
        messages.CryptSetup(server_nonce=_NONCE),
        messages.ChannelState(channel_id=0, name="Root"),
        messages.ChannelState(channel_id=1, parent=0, name="Lobby"),
        messages.ChannelState(channel_id=2, parent=1, name="Bots <&>"),
        messages.UserState(session=7, name="Agent", channel_id=0, mute=True),
        messages.UserState(session=8, name="Ann\n\x1b[2J", comment="trioagent: x"),
        messages.ServerSync(session=7, max_bandwidth=72_000),
        messages.ServerConfig(max_bandwidth=100, message_length=5000),
        messages.Ping(timestamp=3, good=1, udp_ping_avg=1.5),
        messages.TextMessage(actor=8, session=(7,), channel_id=(1, 2), message="<b>"),
        messages.VoiceTunnel(b"\x80\x08\x01\x03abc"),
        messages.UserState(session=7, channel_id=2),
        messages.PermissionDenied(channel_id=2, reason="no", kind=1),
        messages.UserRemove(session=7, actor=8, reason="out", ban=True),
        messages.Reject(kind=5, reason="in use"),
        messages.ChannelRemove(channel_id=2),
        messages.Authenticate(username="a", tokens=("x", "y"), opus=True),
    ]


def _control_seeds() -> list[bytes]:
    encoded = [wire.encode(message) for message in _valid_messages()]
    packed = struct.pack(">HL", 11, 8) + b"\x12\x06\x01\x02\x03\x96\x01\x04"
    return [b"".join(encoded), b"".join(encoded[:9]), packed, *encoded]


def _control(data: bytes) -> None:
    reader, state = wire.MessageReader(), ServerState()
    for piece in pieces(data):
        for message in reader.feed(piece):
            state.apply(message)
            wire.encode(message)
            if isinstance(message, messages.UserRemove):
                str(removed(message, state, MumbleConfig()))
    state.speakers()
    for channel_id in list(state.channels)[:20]:
        state.path(channel_id)
    try:
        state.find("Lobby/Bots")
    except NoSuchChannel as error:
        is_short(str(error))


async def _logs_in(data: bytes) -> None:
    config = MumbleConfig(channel="Lobby/Bots")
    stream = ControlStream(Fed(pieces(data)))  # type: ignore[arg-type] # all it uses
    patience = Patience(config)
    session = await log_in(stream, config, patience)
    await join(session, config, config.channel, patience)


# --- voice -----------------------------------------------------------------------


def _voice_seeds() -> list[bytes]:
    encoder = Encoder(48_000, 32_000)
    tone = (np.sin(np.arange(960) / 20) * 9000).astype(np.int16)
    opus = [encoder.encode(tone) for _ in range(4)]
    return [
        b"".join(
            struct.pack(">H", len(packet)) + packet
            for packet in (
                _incoming(7, 2 * i, part, last=i == 3) for i, part in enumerate(opus)
            )
        ),
        struct.pack(">H", 5) + voice_packets.encode_ping(70_000)[:5],
        struct.pack(">H", 9) + voice_packets.encode_ping(1 << 40)[:9],
    ]


def _incoming(session: int, sequence: int, opus: bytes, *, last: bool) -> bytes:
    ours = voice_packets.encode_voice(sequence, opus, last=last)
    return ours[:1] + voice_packets.encode_varint(session) + ours[1:]


def _voice(data: bytes) -> None:
    """Several packets, each after its length, decoded and put in order."""
    hearing = Hearing()
    hearing.joined(Speaker(7, "ann"))
    now, at = 0.0, 0
    while at + 2 <= len(data) and at < 4000:
        size = int.from_bytes(data[at : at + 2], "big")
        packet, at = data[at + 2 : at + 2 + size], at + 2 + size
        now += 0.01
        try:
            voice = voice_packets.decode(packet)
        except wire.ProtocolError:
            continue
        if isinstance(voice, voice_packets.VoiceIn):
            hearing.take(voice, now, in_order=not len(packet) % 5)
            hearing.release(now)
    hearing.close()


def _ocb2(data: bytes) -> None:
    """What was sealed opens once and unchanged; a forged or repeated one never does."""
    sender, receiver = Ocb2(_KEY, _NONCE, _NONCE), Ocb2(_KEY, _NONCE, _NONCE)
    plain = data[:200]
    packet = sender.encrypt(plain)
    for taken in (data, packet[:1] + data[:60], packet[:4] + data[:60]):
        # 3 bytes of tag: 1 of 16 million forgeries gets through, none of ours has.
        if taken != packet:
            assert receiver.decrypt(taken) is None, "a forged packet"
    opened = receiver.decrypt(packet)
    if opened is None or opened != plain:
        # One bit of a last full block of zeros is flipped on purpose.
        assert plain and opened is not None, "our own packet"  # noqa: PT018
        differ = int.from_bytes(opened, "big") ^ int.from_bytes(plain, "big")
        assert differ.bit_count() == 1, "another bit"
    assert receiver.decrypt(packet) is None, "a repeated packet"


def _reorder(data: bytes) -> None:
    """Whatever comes in whatever order: nothing twice, and little is held."""
    order, seen, now = Reorder(), [], 0.0
    for at in range(0, min(len(data), 3000) - 3, 4):
        number, span, flags, later = data[at : at + 4]
        now += later / 500
        far = 1 << 60 if flags & 64 else 0
        packet = Packet(number + far, span % 13, b"x", bool(flags & 1), now)
        seen += order.push(packet, in_order=bool(flags & 2))
        seen += order.release(now)
        assert len(order._held) <= 3, "too much is held"
    played = [id(piece) for piece in seen]
    assert len(set(played)) == len(played), "a packet twice"


# --- texts and pings -------------------------------------------------------------


def _texts(data: bytes) -> None:
    limit = data[0] if data else 0
    text = data[1:].decode("utf-8", "surrogatepass" if limit % 2 else "replace")
    for piece in split_text(text, limit):
        assert "<" not in piece.replace("<br/>", ""), "a tag"
        wire.encode(messages.TextMessage(message=piece))


def _chat(data: bytes) -> None:
    """What users write and call themselves."""
    text = data.decode("utf-8", "surrogateescape" if len(data) % 2 else "replace")
    for shown in (*plain_text(text).split("\n"), clean_name(text, 1), short(text)):
        shown.encode()
        kinds = set(map(unicodedata.category, shown))
        assert kinds.isdisjoint({"Cc", "Cf", "Zl", "Zp"}), "it steers a terminal"


def _ping(data: bytes) -> None:
    if len(data) == REPLY.size:
        _info(data)


TARGETS = (
    Target(
        "mumble.control",
        _control,
        _control_seeds,
        (wire.ProtocolError,),
        tokens=tuple(struct.pack(">H", cls.type) for cls in get_args(messages.Message)),
    ),
    Target(
        "mumble.login",
        _logs_in,
        _control_seeds,
        (RoomRejected, RoomUnreachable),
    ),
    Target("mumble.voice", _voice, functools.cache(_voice_seeds)),
    Target("mumble.ocb2", _ocb2, lambda: [b"", b"a", bytes(16), bytes(40), b"ab" * 99]),
    Target("mumble.reorder", _reorder, lambda: [bytes(range(120)), b"\2\2\0\1" * 40]),
    Target(
        "mumble.text",
        _texts,
        lambda: [
            b"\x28Hello <b>&amp; you\n\xf0\x9f\x98\x80 there",
            b"\x00plain",
            b"\x01",
        ],
        (UnicodeDecodeError,),
        tokens=(
            b"<",
            b"&",
            b"<img src=x>",
            b"\xed\xa0\x80",
            b"\xf0\x9f\x98\x80",
            b"\n",
        ),
        usual_bytes=300,
    ),
    Target(
        "mumble.chat",
        _chat,
        lambda: [
            b'Hi <b>there</b>&amp; <img src="data:x"/><!-- no -->you<br/><p>x</p>',
            b"<style>p{}</style><script>x</script>&#x1b;[2J&#99999999999;&lt;",
        ],
        tokens=(b"<", b">", b"<a href='", b'"', b"<!--", b"-->", b"&#x", b"</style"),
    ),
    Target("mumble.ping", _ping, lambda: [REPLY.pack(1 << 16, 7, 3, 100, 72_000)]),
)
