"""What an ONNX file says about itself, read without loading its weights.

An ONNX file is one protobuf message; its graph, nearly all of the file, is skipped by
its length. So a 600 MB encoder is looked at in well under a millisecond.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Field numbers of onnx.proto: ModelProto, GraphProto, StringStringEntryProto.
MODEL_GRAPH, MODEL_METADATA = 7, 14
GRAPH_INPUT, GRAPH_OUTPUT = 11, 12
ENTRY_KEY, ENTRY_VALUE = 1, 2
# The way from a ValueInfoProto to the sizes of its dimensions.
INFO_NAME, INFO_TYPE = 1, 2
TYPE_TENSOR = 1
TENSOR_SHAPE = 2
SHAPE_SIZE = 1
SIZE_VALUE = 1

# Protobuf's wire types.
VARINT, FIXED64, LENGTH_DELIMITED, FIXED32 = 0, 1, 2, 5

MAX_ENTRY_BYTES = 1 << 20


class NotOnnx(Exception):
    """The file is no ONNX model, or only part of one."""


@attrs.frozen
class Port:
    """An input or output of a graph; a size that is open is 0."""

    name: str
    shape: tuple[int, ...]

    def size(self, axis: int) -> int:
        """The size along an axis; 0 where it is open or the axis is not there."""
        return self.shape[axis] if axis < len(self.shape) else 0


@attrs.frozen
class OnnxHeader:
    """A model's metadata, how many outputs its graph has, and all its ports."""

    metadata: dict[str, str]
    outputs: int
    inputs: tuple[Port, ...] = ()
    results: tuple[Port, ...] = ()
    """The outputs, in order."""


def read_header(path: Path) -> OnnxHeader:
    """Read the header of the ONNX file at `path`.

    Raises:
        NotOnnx: this is not a whole ONNX file; says what is wrong with it.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    metadata: dict[str, str] = {}
    ports: dict[int, list[Port]] | None = None
    with path.open("rb") as file:
        for number, length in _fields(file, size):
            start = file.tell()
            if number == MODEL_GRAPH:
                ports = _ports(file, start + length)
            elif number == MODEL_METADATA:
                key, value = _entry(file, length)
                metadata[key] = value
    if ports is None:
        raise NotOnnx("it holds no model graph")
    inputs, results = tuple(ports[GRAPH_INPUT]), tuple(ports[GRAPH_OUTPUT])
    return OnnxHeader(metadata, len(results), inputs, results)


def _ports(file: BinaryIO, end: int) -> dict[int, list[Port]]:
    """Read the inputs and outputs of the graph that ends at `end`."""
    found: dict[int, list[Port]] = {GRAPH_INPUT: [], GRAPH_OUTPUT: []}
    for number, length in _fields(file, end):
        if number in found:
            found[number].append(_port(file, file.tell() + length))
    return found


def _port(file: BinaryIO, end: int) -> Port:
    name = b""
    shape: tuple[int, ...] = ()
    for number, length in _fields(file, end):
        if number == INFO_NAME:
            name = file.read(min(length, MAX_ENTRY_BYTES))
        elif number == INFO_TYPE:
            shape = _shape(file, file.tell() + length)
    return Port(name.decode(errors="replace"), shape)


def _shape(file: BinaryIO, end: int) -> tuple[int, ...]:
    """Read a TypeProto's tensor shape; () if it has none."""
    for wanted in (TYPE_TENSOR, TENSOR_SHAPE):
        for number, length in _fields(file, end):
            if number == wanted:
                end = file.tell() + length
                break
        else:
            return ()
    sizes = []
    for number, length in _fields(file, end):
        if number == SHAPE_SIZE:
            sizes.append(_size(file, file.tell() + length))
    return tuple(sizes)


def _size(file: BinaryIO, end: int) -> int:
    if file.tell() == end or divmod(_varint(file), 8) != (SIZE_VALUE, VARINT):
        return 0
    return _varint(file)


def _fields(file: BinaryIO, end: int) -> Iterator[tuple[int, int]]:
    """Yield number and length of each field up to `end`, the file at its content.

    The reader may leave the file anywhere; the next field is found regardless.
    """
    while (position := file.tell()) < end:
        number, wire_type = divmod(_varint(file), 8)
        if wire_type == VARINT:
            _varint(file)
            continue
        if wire_type == LENGTH_DELIMITED:
            length = _varint(file)
        elif wire_type in (FIXED32, FIXED64):
            length = 4 if wire_type == FIXED32 else 8
        else:
            raise NotOnnx(f"it makes no sense at byte {position}")
        start = file.tell()
        if start + length > end:
            raise NotOnnx(f"it is cut short: {start + length - end} bytes are missing")
        yield number, length
        file.seek(start + length)


def _varint(file: BinaryIO) -> int:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            raise NotOnnx("it is cut short")
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    raise NotOnnx(f"it makes no sense at byte {file.tell()}")


def _entry(file: BinaryIO, length: int) -> tuple[str, str]:
    if length > MAX_ENTRY_BYTES:
        raise NotOnnx(f"it has {length} bytes of metadata in one entry")
    texts = {ENTRY_KEY: b"", ENTRY_VALUE: b""}
    for number, size in _fields(file, file.tell() + length):
        if number in texts:
            texts[number] = file.read(size)
    return texts[ENTRY_KEY].decode(errors="replace"), texts[ENTRY_VALUE].decode(
        errors="replace"
    )
