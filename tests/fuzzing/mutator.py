"""From valid inputs to others: byte by byte, by what parsers choke on, and in JSON.

An input is a seed and a few `Edit`s, which are plain numbers: Hypothesis draws (and
shrinks) them for the tests, and a seeded generator draws them for the long runs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from random import Random

LARGEST_BYTES = 1 << 16
"""Longer inputs are cut: the long ones have a test of their own."""
_DEEP = (10, 200, 900, 960, 985, 1_000, 3_000, 20_000)
"""About as deep as Python's recursion limit, and beyond."""


@attrs.frozen
class Edit:
    """One change: which kind, where, and of what. Any numbers will do."""

    kind: int
    where: int
    what: int


@attrs.frozen(eq=False)
class Material:
    """What inputs are made of."""

    seeds: Sequence[bytes]
    tokens: Sequence[bytes] = ()
    is_json: bool = False


LENGTHS = (
    *(
        b"\xff\xff\xff\xff",
        b"\x7f\xff\xff\xff",
        b"\xff\xff\xff\x7f",
        b"\x00\x00\x00\x00",
    ),
    *(b"\x80\x00\x00\x00", b"\x00\x00\x00\x80", b"\xff" * 8, b"\x00" * 8, b"\xff\xff"),
    *(b"\xff" * 9 + b"\x01", b"\x80" * 12, b"\x00\x7f\xff\xff", b"\xff\xff\x7f\x00"),
)
"""Lies about lengths, of 2 to 8 bytes and as varints."""
TEXTS = (
    *(b"\xff\xfe", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x80\xa8"),
    *(b"\x00", b"\n", b"\r\n", b'"', b"\\", b"{", b"}", b"[", b"]", b",", b":", b"="),
    *(b"\\ud800", b"\\u0000", b"\x1b[2J", b"\x85", b"\xef\xbb\xbf", b"\xd9\xa3"),
    *(
        b"-1",
        b"0",
        b"1e999",
        b"NaN",
        b"Infinity",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
    ),
    *(b"9" * 30, b"9" * 400, b"9" * 5000, b"1.5", b"-0", b" " * 80, b"\n" * 80),
)
_ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 1.5, -1e308, float("inf"), float("nan"), ""),
    *([], {}, [[]], {"": None}, "x", "\ud800", "\0\x1b[2J\u2028", "9" * 200, "\u0663"),
    *(2**31, 2**32 - 1, 2**63, 2**70, 10**400, -(2**70), "long " * 500, [0] * 300),
)


def make(material: Material, seed: int, edits: Sequence[Edit]) -> bytes:
    """The input that these numbers stand for."""
    data = material.seeds[seed % len(material.seeds)]
    changes = _CHANGES + 4 * (_in_json,) if material.is_json else _CHANGES
    for edit in edits:
        data = changes[edit.kind % len(changes)](data, edit, material)[:LARGEST_BYTES]
    return data


def edits(rng: Random) -> list[Edit]:
    """Mostly few: what is changed too much is refused at once."""
    draw = rng.getrandbits
    count = (1, 1, 1, 2, 2, 3, 4, 8)[draw(3)]
    return [Edit(draw(16), draw(30), draw(30)) for _ in range(count)]


def _replace(data: bytes, start: int, end: int, piece: bytes) -> bytes:
    return data[:start] + piece + data[end:]


def _flip(data: bytes, edit: Edit, _material: Material) -> bytes:
    at = edit.where % (len(data) or 1)
    bit = bytes((data[at] ^ 1 << edit.what % 8,)) if data else b""
    return _replace(data, at, at + 1, bit)


def _overwrite(data: bytes, edit: Edit, _material: Material) -> bytes:
    at = edit.where % (len(data) + 1)
    return _replace(data, at, at + 1, bytes((edit.what & 0xFF,)))


def _insert(data: bytes, edit: Edit, _material: Material) -> bytes:
    at = edit.where % (len(data) + 1)
    return _replace(data, at, at, edit.what.to_bytes(4, "big")[-1 - edit.what % 4 :])


def _remove(data: bytes, edit: Edit, _material: Material) -> bytes:
    at = edit.where % (len(data) + 1)
    return _replace(data, at, at + 1 + edit.what % 16, b"")


def _truncate(data: bytes, edit: Edit, _material: Material) -> bytes:
    return data[: edit.where % (len(data) + 1)]


def _duplicate(data: bytes, edit: Edit, _material: Material) -> bytes:
    at = edit.where % (len(data) + 1)
    piece = data[at : at + 1 + edit.what % 64]
    return _replace(data, at, at, piece * (1 + (edit.what >> 8) % 40))


def _splice(data: bytes, edit: Edit, material: Material) -> bytes:
    other = material.seeds[edit.what % len(material.seeds)]
    at, cut = edit.where % (len(data) + 1), edit.what % (len(other) + 1)
    return data[:at] + other[cut:]


def _lie_about_length(data: bytes, edit: Edit, _material: Material) -> bytes:
    lie = LENGTHS[edit.what % len(LENGTHS)]
    at = edit.where % (len(data) + 1)
    return _replace(data, at, at + len(lie), lie)


def _put_text(data: bytes, edit: Edit, _material: Material) -> bytes:
    at = edit.where % (len(data) + 1)
    text = TEXTS[edit.what % len(TEXTS)]
    return _replace(data, at, at + (edit.what >> 8) % 4, text)


def _put_token(data: bytes, edit: Edit, material: Material) -> bytes:
    tokens = material.tokens or TEXTS
    at = edit.where % (len(data) + 1)
    token = tokens[edit.what % len(tokens)]
    return _replace(data, at, at + (edit.what >> 8) % 4, token)


def _nest(data: bytes, edit: Edit, _material: Material) -> bytes:
    """Deep brackets, of which a few are closed again."""
    opening, closing = ((b"[", b"]"), (b'{"a":', b"}"), (b"(", b")"), (b"<a>", b""))[
        edit.what % 4
    ]
    depth = _DEEP[(edit.what >> 4) % len(_DEEP)] + (edit.what >> 12) % 40
    if (edit.what >> 20) % 8:  # mostly small, for speed
        depth %= 24
    at = edit.where % (len(data) + 1)
    closed = opening * depth + (b"0" if opening == b'{"a":' else b"") + closing * depth
    return _replace(data, at, at, closed)


def _in_json(data: bytes, edit: Edit, _material: Material) -> bytes:
    """Exchange or remove a value in one of the lines that are JSON."""
    lines = data.split(b"\n")
    index = edit.where % len(lines)
    prefix, brace, rest = lines[index].partition(b"{")
    try:
        tree = json.loads(brace + rest)
    except (ValueError, RecursionError):
        return data
    places = list(_places(tree))
    if not places:
        return data
    holder, key = places[(edit.where >> 8) % len(places)]
    action = edit.what % 8
    if action == 0:
        del holder[key]
    elif action == 1:
        other, place = places[(edit.what >> 3) % len(places)]
        holder[key] = json.loads(json.dumps(other[place]))
    else:
        holder[key] = _ODD_VALUES[(edit.what >> 3) % len(_ODD_VALUES)]
    try:
        text = json.dumps(tree, ensure_ascii=bool(edit.what & 1 << 20))
    except RecursionError:  # an earlier edit nested it deeper than it can be written
        return data
    lines[index] = prefix + text.encode("utf-8", "surrogatepass")
    return b"\n".join(lines)


def _places(tree: Any, most: int = 300) -> list[tuple[Any, Any]]:
    """Each place of a value in the tree, as what holds it and its key."""
    found: list[tuple[Any, Any]] = []
    left = [tree]
    while left and len(found) < most:
        holder = left.pop()
        keys = holder if isinstance(holder, dict) else range(len(holder))
        for key in list(keys):
            found.append((holder, key))
            if isinstance(holder[key], dict | list):
                left.append(holder[key])
    return found


_CHANGES: tuple[Callable[[bytes, Edit, Material], bytes], ...] = (
    *(_flip, _overwrite, _insert, _remove, _truncate, _duplicate, _splice),
    *(_lie_about_length, _put_text, _put_text, _put_token, _put_token, _nest),
)
