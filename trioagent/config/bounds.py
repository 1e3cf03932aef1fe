"""Bounds of a key's value."""

from __future__ import annotations

from typing import Any

from attrs import validators as v

Options = dict[str, Any]
"""A provider's own table, as read; the provider's options class gives it types."""


def between(low: float, high: float) -> Any:  # noqa: ANN401 - a validator of attrs
    """A validator: a number from `low` to `high`, both included."""
    return v.and_(v.ge(low), v.le(high))
