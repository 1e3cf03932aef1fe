"""Voice packets as Mumble up to 1.4 has them, and pings. Nothing in here does I/O.

A packet starts with a byte of kind (3 bits) and target (5 bits). Numbers are Mumble's
own varints. Newer servers speak this format to clients that announce an older version.
"""

from __future__ import annotations

import attrs

from providers.rooms.mumble.wire import ProtocolError

SEQUENCE_S = 0.01
"""Sequence numbers count units of this, whatever a packet's length."""

MAX_OPUS_BYTES = 0x1FFF
_TERMINATOR = 0x2000
_KIND_PING, _KIND_OPUS = 1, 4

# A varint's first byte is below this; these of its bits belong to the number; so many
# bytes follow. What is not below the last of them is negative.
_PREFIXES = (
    (0x80, 0x7F, 0),
    (0xC0, 0x3F, 1),
    (0xE0, 0x1F, 2),
    (0xF0, 0x0F, 3),
    (0xF4, 0x00, 4),
    (0xF8, 0x00, 8),
)


@attrs.frozen
class VoiceIn:
    """A packet of someone's speech, as the server passes it on."""

    session: int
    sequence: int
    opus: bytes
    last: bool


@attrs.frozen
class PingEcho:
    """Our own ping, come back."""

    timestamp: int


def encode_varint(value: int) -> bytes:
    """Return `value`, 0 to 2**64-1, as a Mumble varint."""
    if value < 0x80:
        return value.to_bytes(1, "big")
    if value < 0x4000:
        return (0x8000 | value).to_bytes(2, "big")
    if value < 0x20_0000:
        return (0xC0_0000 | value).to_bytes(3, "big")
    if value < 0x1000_0000:
        return (0xE000_0000 | value).to_bytes(4, "big")
    if value < 1 << 32:
        return b"\xf0" + value.to_bytes(4, "big")
    return b"\xf4" + value.to_bytes(8, "big")


def decode_varint(data: bytes, at: int) -> tuple[int, int]:
    """Return the varint at `data[at:]` and where it ends.

    Raises:
        ProtocolError: it is cut off or negative; no number in a packet is.
    """
    if at >= len(data):
        raise ProtocolError("a packet without an end")
    first = data[at]
    for below, mask, following in _PREFIXES:
        if first < below:
            end = at + 1 + following
            if end > len(data):
                raise ProtocolError("a packet without an end")
            rest = int.from_bytes(data[at + 1 : end], "big")
            return (first & mask) << 8 * following | rest, end
    raise ProtocolError("a negative number")


def encode_voice(sequence: int, opus: bytes, *, last: bool) -> bytes:
    """Return a packet of our own speech to our channel."""
    if len(opus) > MAX_OPUS_BYTES:
        raise ProtocolError(f"{len(opus)} bytes of Opus in one packet")
    size = len(opus) | (_TERMINATOR if last else 0)
    return (
        bytes((_KIND_OPUS << 5,)) + encode_varint(sequence) + encode_varint(size) + opus
    )


def encode_ping(timestamp: int) -> bytes:
    """Return a ping; the server sends the same back."""
    return bytes((_KIND_PING << 5,)) + encode_varint(timestamp)


def decode(packet: bytes) -> VoiceIn | PingEcho | None:
    """Return what `packet` is; None for codecs before Opus.

    Raises:
        ProtocolError: it is no Mumble voice packet.
    """
    if not packet:
        raise ProtocolError("an empty packet")
    kind = packet[0] >> 5
    if kind == _KIND_PING:
        return PingEcho(decode_varint(packet, 1)[0])
    if kind != _KIND_OPUS:
        return None
    session, at = decode_varint(packet, 1)
    sequence, at = decode_varint(packet, at)
    size, at = decode_varint(packet, at)
    # What may follow is the speaker's position in a game.
    opus = packet[at : at + (size & MAX_OPUS_BYTES)]
    if len(opus) < size & MAX_OPUS_BYTES:
        raise ProtocolError("a packet without an end")
    return VoiceIn(session, sequence, opus, bool(size & _TERMINATOR))
