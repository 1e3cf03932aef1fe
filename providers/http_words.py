"""What a server says went wrong, fit for an error message."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from trioagent.visible import visible_line

if TYPE_CHECKING:
    from collections.abc import Callable

_SHOWN_CHARS = 300


def error_message(body: str, redact: Callable[[str], str] = str) -> str:
    """What an error body says, for people: servers wrap it in different ways.

    `redact` takes out what must not be shown, before anything is cut.
    """
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return shorten(redact(body))
    for key in ("error", "message", "detail"):
        while isinstance(value, dict) and value.get(key):
            value = value[key]
    # JSON can spell the same text in many ways: only what it means is looked at.
    said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return shorten(redact(said))


def shorten(text: str) -> str:
    """Fit for an error message: one line of bounded length, without controls."""
    line = visible_line(" ".join(text.split()))
    return line if len(line) <= _SHOWN_CHARS else line[:_SHOWN_CHARS] + "…"
