"""The values of the chat completions protocol: requests, stream chunks, errors.

Nothing in here awaits or knows a connection.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import attrs

from trioagent.interfaces import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Message

END = "[DONE]"
_THOUGHT_KEYS = ("reasoning", "reasoning_content")


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
    """An event of a reply: its text, which may be empty, and whether it is the last.

    `is_thought` is whether it has a thought in a field of its own.
    """

    text: str = ""
    is_last: bool = False
    is_thought: bool = False
    usage: Usage | None = None


def request_body(
    messages: Sequence[Message], settings: dict[str, Any], extra: dict[str, Any]
) -> dict[str, Any]:
    """The body of a request; `extra` wins over `settings`.

    OpenAI's newer models refuse `max_tokens` beside `max_completion_tokens`. What is
    empty in `settings` is left out.
    """
    body = {
        "messages": [{"role": m.role, "content": _sendable(m)} for m in messages],
        **{key: value for key, value in settings.items() if value not in ("", [], {})},
        **extra,
        "stream": True,
    }
    if "max_completion_tokens" in body:
        body.pop("max_tokens", None)
    return body


def _sendable(message: Message) -> str:
    """Half a surrogate pair cannot be sent as UTF-8."""
    return message.content.encode(errors="replace").decode()


def read_chunk(data: str) -> Chunk:
    """Read the data of one server-sent event.

    Thoughts (`reasoning`, `reasoning_content`), roles and usage have no text. Usage
    may come in an event of its own, in the last one or in each.

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
    usage = _read_usage(event.get("usage"))
    if not choices:
        return Chunk(usage=usage)
    return attrs.evolve(_read_choice(choices[0], data), usage=usage)


def _parse(data: str) -> dict[str, Any]:
    try:
        event = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise WireError("sent what is no JSON", data) from error
    if not isinstance(event, dict):
        raise WireError("sent what is no chat completion", data)
    return event


def _read_choice(choice: object, data: str) -> Chunk:
    delta = (choice.get("delta") or {}) if isinstance(choice, dict) else None
    if not isinstance(choice, dict) or not isinstance(delta, dict):
        raise WireError("sent what is no chat completion", data)
    text = delta.get("content") or ""
    if not isinstance(text, str):
        raise WireError("sent what is no chat completion", data)
    return Chunk(
        text,
        is_last=bool(choice.get("finish_reason")),
        is_thought=any(delta.get(key) for key in _THOUGHT_KEYS),
    )


def _read_usage(usage: object) -> Usage | None:
    if not isinstance(usage, dict):
        return None
    return Usage(
        prompt_tokens=_count(usage, "prompt_tokens"),
        cached_tokens=_count(usage, "prompt_tokens_details", "cached_tokens"),
        completion_tokens=_count(usage, "completion_tokens"),
        thought_tokens=_count(usage, "completion_tokens_details", "reasoning_tokens"),
    )


def _count(value: object, *keys: str) -> int:
    """A number in nested tables; 0 where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value if isinstance(value, int) else 0


def model_names(body: str) -> list[str]:
    """The names in the answer to GET /models; none if it is something else."""
    try:
        listing = json.loads(body)
    except (ValueError, RecursionError):
        return []
    entries = listing.get("data") if isinstance(listing, dict) else None
    if not isinstance(entries, list):
        return []
    names = [entry.get("id") for entry in entries if isinstance(entry, dict)]
    return [name for name in names if isinstance(name, str) and name]
