"""The lines of `turn.jsonl`: values to text and back. Nothing here opens a file.

What a line may hold follows from the classes in `trioagent.recording.format` alone. The
format is strict: what these classes do not know is refused, and a format that knows
more has a higher version.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from trioagent.recording.format import KINDS, VERSION, Ear, Entry, Header, Kept, Person
from trioagent.recording.shapes import KIND_OF, BadLine, Fields, build, fields_of, shown

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["BadLine", "entry_lines", "header_line", "parse_entry", "parse_header"]


# --- writing ---------------------------------------------------------------------


def header_line(header: Header) -> bytes:
    """The first line."""
    return _line(fields_of(header))


def entry_lines(entries: Iterable[Entry]) -> bytes:
    """A line for each entry."""
    return b"".join(map(_entry_line, entries))


def _entry_line(entry: Entry) -> bytes:
    return _line({"what": KIND_OF[type(entry)], **fields_of(entry)})


def _line(fields: Fields) -> bytes:
    text = _json(fields, ascii_only=False)
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:
        # Half a surrogate pair, as language models may send: no text, but JSON has it.
        return _json(fields, ascii_only=True).encode() + b"\n"


def _json(fields: Fields, *, ascii_only: bool) -> str:
    return json.dumps(
        fields, ensure_ascii=ascii_only, separators=(",", ":"), default=_nested
    )


def _nested(value: object) -> Fields:
    if not isinstance(value, Person | Ear | Kept):
        raise TypeError(f"{value!r} has no place in JSON")
    return fields_of(value)


# --- reading ---------------------------------------------------------------------


def parse_header(line: bytes) -> Header:
    """The first line as a value.

    Raises:
        BadLine: it is not one of ours, or of a newer format.
    """
    fields = _object(line)
    version = fields.get("recording")
    if type(version) is not int or version < 1:
        raise BadLine(
            'not the first line of a recording: "recording" holds no version',
            "give a recording that trioagent made",
        )
    if version > VERSION:
        raise BadLine(
            f"recorded by trioagent {fields.get('program', '(unknown)')} with format "
            f"{version}; this one reads up to {VERSION}",
            "upgrade trioagent",
        )
    return build(Header, fields)


def parse_entry(line: bytes) -> Entry:
    """Any other line as a value.

    Raises:
        BadLine: it is not one of ours.
    """
    fields = _object(line)
    kind = fields.pop("what", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadLine(f"unknown kind of entry: {shown(kind)}")
    return build(KINDS[kind], fields)


def _object(line: bytes) -> Fields:
    try:
        fields = json.loads(line.decode())
    except (ValueError, RecursionError) as error:
        raise BadLine(f"not JSON in UTF-8: {error}") from error
    if not isinstance(fields, dict):
        raise BadLine(f"must be a JSON object, is {shown(fields)}")
    return fields
