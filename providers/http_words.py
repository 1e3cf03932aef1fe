"""What a server says went wrong, fit for an error message."""

from __future__ import annotations

import json

_SHOWN_CHARS = 300


def error_message(body: str) -> str:
    """What an error body says, for people: servers wrap it in different ways."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return shorten(body)
    for key in ("error", "message", "detail"):
        while isinstance(value, dict) and value.get(key):
            value = value[key]
    return shorten(value if isinstance(value, str) else json.dumps(value))


def shorten(text: str) -> str:
    """Fit for an error message: one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else line[:_SHOWN_CHARS] + "…"
