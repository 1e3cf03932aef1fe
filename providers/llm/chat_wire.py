"""The values of the chat completions protocol: requests, stream chunks, errors.

Nothing in here awaits or knows a connection.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Message

END = "[DONE]"
_SHOWN_CHARS = 300


class WireError(Exception):
    """What the server sent is an error, or nothing that this protocol knows.

    `data` is what it sent, as it came: cut it and take secrets out before showing it.
    """

    def __init__(self, what: str, data: str) -> None:
        super().__init__(what)
        self.what = what
        self.data = data


@attrs.frozen
class Chunk:
    """An event of a reply: its text, which may be empty, and whether it is the last."""

    text: str = ""
    is_last: bool = False


def shorten(text: str) -> str:
    """Fit for an error message: one line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN_CHARS else line[:_SHOWN_CHARS] + "…"


def request_body(
    messages: Sequence[Message], settings: dict[str, Any], extra: dict[str, Any]
) -> dict[str, Any]:
    """The body of a request; `extra` wins over `settings`.

    OpenAI's newer models refuse `max_tokens` beside `max_completion_tokens`.
    """
    body = {
        "messages": [{"role": m.role, "content": _sendable(m)} for m in messages],
        **settings,
        **extra,
        "stream": True,
    }
    if "max_completion_tokens" in extra:
        body.pop("max_tokens", None)
    return body


def _sendable(message: Message) -> str:
    """Half a surrogate pair cannot be sent as UTF-8."""
    return message.content.encode(errors="replace").decode()


def read_chunk(data: str) -> Chunk:
    """Read the data of one server-sent event.

    Thoughts (`reasoning`, `reasoning_content`), roles and usage have no text.

    Raises:
        WireError: the event is an error, or nothing that this protocol knows.
    """
    if data.strip() == END:
        return Chunk(is_last=True)
    if not data.strip():
        return Chunk()
    event = _parse(data)
    if event.get("error") or event.get("object") == "error":
        raise WireError("failed", data)
    choices = event.get("choices")
    if not isinstance(choices, list):
        raise WireError("sent what is no chat completion", data)
    if not choices:
        return Chunk()
    return _read_choice(choices[0], data)


def _parse(data: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except ValueError as error:
        raise WireError("sent what is no JSON", data) from error
    if not isinstance(event, dict):
        raise WireError("sent what is no chat completion", data)
    return event


def _read_choice(choice: object, data: str) -> Chunk:
    if isinstance(choice, dict):
        delta = choice.get("delta") or {}
        text = delta.get("content") or "" if isinstance(delta, dict) else None
        if isinstance(text, str):
            return Chunk(text, is_last=bool(choice.get("finish_reason")))
    raise WireError("sent what is no chat completion", data)


def error_message(body: str) -> str:
    """What an error body says, for people: servers wrap it in different ways."""
    try:
        value = json.loads(body)
    except ValueError:
        return shorten(body)
    for key in ("error", "message", "detail"):
        while isinstance(value, dict) and value.get(key):
            value = value[key]
    return shorten(value if isinstance(value, str) else json.dumps(value))


def model_names(body: str) -> list[str]:
    """The names in the answer to GET /models; none if it is something else."""
    try:
        listing = json.loads(body)
    except ValueError:
        return []
    entries = listing.get("data") if isinstance(listing, dict) else None
    if not isinstance(entries, list):
        return []
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return [name for name in names if isinstance(name, str) and name]
