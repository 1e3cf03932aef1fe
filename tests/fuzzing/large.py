"""Inputs of a megabyte: work that grows with the square of the length shows here."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.fuzzing.mutator import Material, _places

if TYPE_CHECKING:
    from collections.abc import Iterator

_FILLERS = (b" ", b"\n", b"a", b"9", b"[", b'{"a":', b"<", b"\\", b"\xff", b"\0", b"- ")
_SPACED = (b"a ", b"a.", b"a, ", b"uh ", b"* ", b"a\n")
_MOST_VALUES = 6


def large_inputs(
    material: Material, size: int, fillers: int | None = None
) -> Iterator[tuple[str, bytes]]:
    """Valid inputs with one piece of theirs repeated to `size`, and what that is.

    Args:
        material: Of the target.
        size: In bytes, about.
        fillers: How many pieces to repeat; None for all.
    """
    for number, seed in enumerate(material.seeds[:3]):
        yield f"seed {number} again and again", seed * (size // (len(seed) or 1) + 1)
    pieces = (*_FILLERS, *material.tokens, *_SPACED)[:fillers]
    first = material.seeds[0]
    for piece in pieces:
        many = piece * (size // len(piece))
        middle = len(first) // 2
        yield f"{piece!r} in the middle", first[:middle] + many + first[middle:]
        yield f"{piece!r} after the first byte", first[:1] + many
        if material.is_json:
            yield from _in_values(first, piece, many)


def _in_values(seed: bytes, piece: bytes, many: bytes) -> Iterator[tuple[str, bytes]]:
    """The text in place of values in the first JSON of a seed."""
    prefix, brace, rest = seed.partition(b"{")
    decoder = json.JSONDecoder()
    text = (brace + rest).decode(errors="replace")
    try:
        tree, end = decoder.raw_decode(text)
    except ValueError:
        return
    places = [(h, k) for h, k in _places(tree) if isinstance(h[k], str)]
    for holder, key in places[:_MOST_VALUES]:
        before, holder[key] = holder[key], many.decode(errors="replace")
        changed = json.dumps(tree).encode() + text[end:].encode()
        holder[key] = before
        yield f"{piece!r} as {key!r}", prefix + changed
