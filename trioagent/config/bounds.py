"""Bounds of a key's value."""

from __future__ import annotations

import re
from typing import Any

from attrs import validators as v

Options = dict[str, Any]
"""A provider's own table, as read; the provider's options class gives it types."""


def between(low: float, high: float) -> Any:  # noqa: ANN401 - a validator of attrs
    """A validator: a number from `low` to `high`, both included."""
    return v.and_(v.ge(low), v.le(high))


_SHA1 = re.compile(r"[0-9a-fA-F]{40}")
_SHOWN_CHARS = 60


def certificate_hashes(_made: object, _field: object, hashes: tuple[str, ...]) -> None:
    """A validator: each is the hash of a certificate, maybe with colons.

    Mumble knows users by the SHA-1 of their certificates; what has another length
    would never match, so that nobody would be kept out.
    """
    for text in hashes:
        if not _SHA1.fullmatch(text.replace(":", "").strip()):
            raise ValueError(
                f'"{text[:_SHOWN_CHARS]}" is no hash of a certificate: it must be its '
                "SHA-1, 40 hexadecimal digits, with or without colons"
            )
