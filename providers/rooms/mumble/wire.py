"""Control messages to bytes and back. Nothing in here does I/O.

On the wire a message is its type (2 bytes), its length (4 bytes) and a protobuf body.
Messages and fields that `messages` does not name are skipped.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, get_args

import attrs

from providers.rooms.mumble.messages import Kind, Message, VoiceTunnel

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_MESSAGE_BYTES = 0x7F_FFFF  # what Mumble's own client accepts
_HEADER = struct.Struct(">HL")
_FLOAT = struct.Struct("<f")
_MASK64 = (1 << 64) - 1
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WIRE_TYPES: dict[Kind, int] = {
    "uint": _VARINT,
    "int": _VARINT,
    "bool": _VARINT,
    "float": _FIXED32,
    "str": _BYTES,
    "bytes": _BYTES,
}
_CLASSES: dict[int, Any] = {cls.type: cls for cls in get_args(Message)}


class ProtocolError(ValueError):
    """The peer sent something that is not Mumble's protocol."""


@attrs.frozen
class _Field:
    name: str
    number: int
    kind: Kind
    repeated: bool


_FIELDS: dict[type, tuple[_Field, ...]] = {
    cls: tuple(
        _Field(a.name, a.metadata["number"], a.metadata["kind"], a.default == ())
        for a in attrs.fields(cls)
        if a.metadata
    )
    for cls in _CLASSES.values()
}


class MessageReader:
    """Finds messages in a stream of bytes, however it was cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | bytearray) -> list[Message]:
        """Take bytes; return the known messages they complete.

        Raises:
            ProtocolError: this is no Mumble stream; the reader is of no more use.
        """
        self.add(data)
        return list(iter(self.take, None))

    def add(self, data: bytes | bytearray) -> None:
        """Take bytes; `take` says what they complete."""
        self._buffer += data

    def take(self) -> Message | None:
        """Return the next known message; None: the rest of it is missing.

        Raises:
            ProtocolError: as `feed`.
        """
        buffer = self._buffer
        while len(buffer) >= _HEADER.size:
            number, size = _HEADER.unpack_from(buffer)
            if size > MAX_MESSAGE_BYTES:
                raise ProtocolError(f"a message of {size} bytes")
            end = _HEADER.size + size
            if len(buffer) < end:
                return None
            body = bytes(memoryview(buffer)[_HEADER.size : end])
            del buffer[:end]
            message = decode(number, body)
            if message is not None:
                return message
        return None


def encode(message: Message) -> bytes:
    """Return `message` as it goes onto the wire, header included."""
    if isinstance(message, VoiceTunnel):
        body: bytes = message.packet
    else:
        body = b"".join(_encoded_fields(message))
    return _HEADER.pack(message.type, len(body)) + body


def decode(number: int, body: bytes) -> Message | None:
    """Return the message of type `number` in `body`; None if we have no use for it.

    Raises:
        ProtocolError: the body is no protobuf.
    """
    cls = _CLASSES.get(number)
    if cls is None:
        return None
    if cls is VoiceTunnel:
        return VoiceTunnel(body)
    known = {field.number: field for field in _FIELDS[cls]}
    values: dict[str, Any] = {}
    several: dict[str, list[Any]] = {}
    for key, wire_type, value in _pieces(body):
        field = known.get(key)
        if field is None:
            continue
        if field.repeated:
            several.setdefault(field.name, []).extend(_items(field, wire_type, value))
        elif wire_type == _WIRE_TYPES[field.kind]:
            values[field.name] = _converted(field.kind, value)
    message: Message = cls(**values, **{k: tuple(v) for k, v in several.items()})
    return message


def _encoded_fields(message: Message) -> Iterator[bytes]:
    for field in _FIELDS[type(message)]:
        value = getattr(message, field.name)
        for item in value if field.repeated else (value,):
            if item is not None:
                yield _encoded(field, item)


def _encoded(field: _Field, value: Any) -> bytes:  # noqa: ANN401 - the kind tells
    wire_type = _WIRE_TYPES[field.kind]
    key = _varint(field.number << 3 | wire_type)
    if wire_type == _VARINT:
        return key + _varint(int(value) & _MASK64)
    if wire_type == _FIXED32:
        return key + _FLOAT.pack(value)
    # Half a surrogate pair, as language models may send, is no text.
    data: bytes = value.encode(errors="replace") if field.kind == "str" else value
    return key + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    for index in range(at, min(len(data), at + 10)):
        value |= (data[index] & 0x7F) << shift
        if data[index] < 0x80:
            return value & _MASK64, index + 1
        shift += 7
    raise ProtocolError("a varint without an end")


def _pieces(body: bytes) -> Iterator[tuple[int, int, int | bytes]]:
    """Yield (field number, wire type, value); fixed-size values stay bytes."""
    at = 0
    while at < len(body):
        key, at = _read_varint(body, at)
        wire_type = key & 7
        if wire_type == _VARINT:
            value, at = _read_varint(body, at)
            yield key >> 3, wire_type, value
            continue
        if wire_type == _BYTES:
            size, at = _read_varint(body, at)
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise ProtocolError(f"wire type {wire_type}")
        if at + size > len(body):
            raise ProtocolError("a field that ends after its message")
        yield key >> 3, wire_type, body[at : at + size]
        at += size


def _items(
    field: _Field, wire_type: int, value: int | bytes
) -> Iterator[str | bytes | int | float | bool]:
    expected = _WIRE_TYPES[field.kind]
    if wire_type == expected:
        yield _converted(field.kind, value)
    elif expected == _VARINT and isinstance(value, bytes) and wire_type == _BYTES:
        at = 0  # packed, as newer protobufs send numbers
        while at < len(value):
            item, at = _read_varint(value, at)
            yield _converted(field.kind, item)


def _converted(kind: Kind, value: int | bytes) -> Any:  # noqa: ANN401 - the kind tells
    if isinstance(value, bytes):
        if kind == "float":
            return _FLOAT.unpack(value)[0]
        return value.decode(errors="replace") if kind == "str" else value
    if kind == "bool":
        return bool(value)
    if kind == "int" and value >> 63:
        return value - (1 << 64)
    return value
