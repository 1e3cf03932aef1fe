"""Any server that speaks OpenAI's /chat/completions: vLLM, llama.cpp, Ollama, OpenAI.

The options are here; `providers.llm.chat_client` does the work.
"""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import trio
from attrs import validators as v

from providers.http_keys import warn_of_readable_key
from providers.http_options import is_base_url, is_json, is_key
from trioagent.interfaces import LanguageModel
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from providers.llm.chat_client import ChatClient

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def _are_headers(
    _options: object, field: attrs.Attribute[dict[str, str]], value: dict[str, str]
) -> None:
    for name, content in value.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{field.name} has a name that is none: {name!r}")
        # The content may be a key, so it must not be in the message.
        if not content.isascii() or not content.isprintable():
            raise ValueError(f"{field.name}.{name} has characters that no header has")


@attrs.frozen(kw_only=True)
class Options:
    """`[llm.openai]`: where the server is and what to ask of it."""

    base_url: str = attrs.field(
        default="http://127.0.0.1:8000/v1", validator=is_base_url
    )
    """Up to and without "/chat/completions"."""
    model: str = ""
    """Empty takes the first of those that the server lists."""
    api_key: str = attrs.field(
        default="", validator=is_key, repr=False, metadata={"secret": True}
    )
    headers: dict[str, str] = attrs.field(
        factory=dict, validator=_are_headers, repr=False, metadata={"secret": True}
    )
    """More headers for each request; they win over ours."""
    max_tokens: int = attrs.field(default=80, validator=v.ge(1))
    max_completion_tokens: int = attrs.field(default=0, validator=v.ge(0))
    """Sent in place of `max_tokens` unless 0: OpenAI's models that think want it."""
    temperature: float = attrs.field(default=0.3, validator=[v.ge(0), v.le(2)])
    stop: list[str] = attrs.field(factory=list, validator=v.deep_iterable(v.min_len(1)))
    """The reply ends before the first of these."""
    reasoning_effort: str = ""
    """How much the model thinks first, as the server calls it: "none", "low", …"""
    chat_template_kwargs: dict[str, Any] = attrs.field(factory=dict, validator=is_json)
    """For the server's chat template, such as `enable_thinking = false`."""
    omit: list[str] = attrs.field(factory=list)
    """Keys of the body not to send: some servers refuse what they do not know."""
    usage: bool = True
    """Ask the server to count tokens; if it refuses to be asked, do not."""
    connect_timeout_s: float = attrs.field(default=2.0, validator=v.gt(0))
    first_token_timeout_s: float = attrs.field(default=10.0, validator=v.gt(0))
    """From the request to the first sign of the model, thoughts included, however many
    tries it takes."""
    token_timeout_s: float = attrs.field(default=5.0, validator=v.gt(0))
    """Between two signs of the model."""
    retry_budget_s: float = attrs.field(default=2.0, validator=v.ge(0))
    """From the request, how late it may be tried again after a passing failure."""
    extra: dict[str, Any] = attrs.field(factory=dict, validator=is_json)
    """More keys for the body of the request; they win over the ones above."""


def _make_client(options: Options) -> ChatClient:
    """Takes tens of milliseconds: modules are imported and certificates read."""
    from providers.llm.chat_client import ChatClient  # noqa: PLC0415 (see above)

    return ChatClient(options)


@asynccontextmanager
async def _open(options: Options) -> AsyncIterator[LanguageModel]:
    """Connects to nothing yet: the server may come later."""
    keys = bool(options.api_key or options.headers)
    warn_of_readable_key(options.base_url, "llm.openai", keys=keys)
    client = await trio.to_thread.run_sync(_make_client, options)
    async with client.closing():
        yield client


PROVIDER = Provider[Options, LanguageModel](options=Options, open=_open)
