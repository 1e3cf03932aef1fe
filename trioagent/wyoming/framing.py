r"""Wyoming's frames as values: bytes in, events out; nothing in here awaits.

A frame is a line of JSON, then optionally more JSON and raw bytes:

    {"type": …, "version": …, "data"?: {…}, "data_length"?: n, "payload_length"?: m}\n
    n bytes of JSON, merged over "data"
    m bytes of payload

Every length is checked before anything of it is kept.
"""

from __future__ import annotations

import json
from typing import Any

import attrs

VERSION = "1.10.2"
SHOWN_BYTES = 40


class BadFrame(ValueError):
    """What came is no frame, or a larger one than is taken."""


@attrs.frozen
class Event:
    """One event, under the names that the protocol gives its type and its data."""

    type: str
    data: dict[str, Any] = attrs.Factory(dict)
    payload: bytes = attrs.field(
        default=b"", repr=lambda payload: f"{len(payload)} bytes"
    )

    def text(self, key: str) -> str:
        """The text under `key`, "" if there is none."""
        value = self.data.get(key)
        return value if isinstance(value, str) else ""


@attrs.frozen
class Limits:
    """The largest frame that is taken, in bytes."""

    line: int = 1 << 20
    data: int = 4 << 20
    payload: int = 16 << 20


def encode(event: Event) -> bytes:
    """One frame."""
    data = b""
    if event.data:
        # Half a surrogate pair is no text that could be sent.
        data = json.dumps(event.data, ensure_ascii=False).encode("utf-8", "replace")
    head: dict[str, object] = {"type": event.type, "version": VERSION}
    if data:
        head["data_length"] = len(data)
    if event.payload:
        head["payload_length"] = len(event.payload)
    return json.dumps(head).encode() + b"\n" + data + event.payload


@attrs.define(eq=False)
class Decoder:
    """Bytes in, split anyhow; events out. After `BadFrame` it is of no more use."""

    limits: Limits = attrs.Factory(Limits)
    _bytes: bytearray = attrs.Factory(bytearray)
    _searched: int = 0
    _head: dict[str, Any] | None = None

    @property
    def within_frame(self) -> bool:
        """Whether a frame has begun that is not complete."""
        return bool(self._bytes) or self._head is not None

    def feed(self, data: bytes) -> None:
        """Take what arrived."""
        self._bytes += data

    def next(self) -> Event | None:
        """The next event, or None if its bytes are not all there.

        Raises:
            BadFrame: malformed or too large.
        """
        head = self._head or self._take_head()
        if head is None:
            return None
        data_length, length = head["data_length"], head["payload_length"]
        if len(self._bytes) < data_length + length:
            return None
        more = _object(self._take(data_length)) if data_length else {}
        self._head = None
        return Event(head["type"], {**head["data"], **more}, self._take(length))

    def _take_head(self) -> dict[str, Any] | None:
        end = self._bytes.find(b"\n", self._searched)
        if end < 0 or end > self.limits.line:
            self._searched = len(self._bytes)
            if len(self._bytes) > self.limits.line:
                raise BadFrame(f"a line of more than {self.limits.line} bytes")
            # What begins like no JSON object has no line to wait for.
            if self._bytes and not self._bytes.startswith(b"{"):
                raise BadFrame(f"no frame: {_shown(self._bytes)}")
            return None
        self._searched = 0
        head = _object(self._take(end + 1))
        if not isinstance(head.get("type"), str):
            raise BadFrame("a frame without a type")
        if not isinstance(head.get("data") or {}, dict):
            raise BadFrame(f"a {_named(head)} whose data is no object")
        head["data"] = head.get("data") or {}
        for key, limit in (
            ("data_length", self.limits.data),
            ("payload_length", self.limits.payload),
        ):
            head[key] = _length(head, key, limit)
        self._head = head
        return head

    def _take(self, length: int) -> bytes:
        taken = bytes(memoryview(self._bytes)[:length])
        del self._bytes[:length]
        return taken


def _length(head: dict[str, Any], key: str, limit: int) -> int:
    value = head.get(key) or 0
    if not isinstance(value, int) or value < 0:
        raise BadFrame(f"a {_named(head)} whose {key} is {value!s:.40}")
    if value > limit:
        raise BadFrame(
            f"a {_named(head)} with a {key} of {value!s:.40}; at most {limit} are taken"
        )
    return value


def _named(head: dict[str, Any]) -> str:
    return repr(head["type"][:SHOWN_BYTES])


def _object(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadFrame(f"no frame: {_shown(text)}") from error
    if not isinstance(value, dict):
        raise BadFrame(f"no frame: {_shown(text)}")
    return value


def _shown(text: bytes | bytearray) -> str:
    line = bytes(text[: SHOWN_BYTES + 1]).decode("utf-8", "replace").strip()
    return repr(line[:SHOWN_BYTES]) + ("…" if len(line) > SHOWN_BYTES else "")
