"""Checks of the options that all providers behind HTTP have. They import no client."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    import attrs


def is_base_url(_options: object, field: attrs.Attribute[str], value: str) -> None:
    """An attrs validator; its message shows the field's default as an example."""
    parts = urlsplit(value)
    # First: it would stand in the other message.
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError(f"{field.name} takes no password or query; see api_key")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"{field.name} must be like {field.default}: {value!r}")


def is_key(_options: object, field: attrs.Attribute[str], value: str) -> None:
    """An attrs validator; the key itself is not in its message."""
    if not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError(f"{field.name} has characters that no key has")


def is_json(_options: object, field: attrs.Attribute[Any], value: object) -> None:
    """An attrs validator of what goes into the body of a request."""
    try:
        json.dumps(value)
    except TypeError as error:
        raise ValueError(f"{field.name} cannot be sent as JSON: {error}") from error
