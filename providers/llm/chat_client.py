"""A client of /chat/completions, streamed as server-sent events.

Its rule: nothing is asked for a second time once a piece of the reply was sent.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import trio

from providers.http_words import shorten
from providers.llm import chat_wire
from providers.llm.chat_http import ChatHttp
from providers.llm.incoming import IncomingReply
from providers.llm.retrying import Tries
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from providers.llm.openai import Options
    from trioagent.interfaces import Message, Outlet, Usage

_log = logging.getLogger(__name__)

_BAD_REQUEST = {400, 422}


class ChatClient:
    """A model behind /chat/completions."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._http = ChatHttp(options)
        self._url = options.base_url.rstrip("/")
        self._model = options.model
        self._counts = options.usage
        self._settled = False

    @property
    def name(self) -> str:
        """The model, once it is known, and where it is."""
        return f"{self._model} at {self._url}" if self._model else self._url

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close all connections at the end of the block."""
        async with self._http.closing():
            yield

    async def check(self) -> None:
        """Ask for the server's models, once. One without such a list is up, too."""
        url = f"{self._url}/models"
        timeout_s = self._options.first_token_timeout_s
        body = ""
        with trio.move_on_after(timeout_s) as patience:
            body = await self._http.listing(url)
        if patience.cancelled_caught:
            raise ProviderUnavailable(
                f"{url} did not answer in {timeout_s:g} s",
                hint="see whether the server is busy, or raise first_token_timeout_s",
            )
        self._choose_model(chat_wire.model_names(body))

    def _choose_model(self, names: list[str]) -> None:
        wanted = self._options.model
        if not wanted and not names:
            raise ProviderUnavailable(
                f"{self._url}/models names no model", hint="set model in [llm.openai]"
            )
        if wanted and names and wanted not in names:
            # Some servers know more names than they list.
            shown = shorten(", ".join(names))
            _log.warning("%s lists no model %r, but: %s", self._url, wanted, shown)
        self._model = wanted or names[0]

    async def reply(
        self, messages: Sequence[Message], tokens: Outlet[str]
    ) -> Usage | None:
        """Send the pieces of the reply as the server streams them, without thoughts.

        Until the first piece, failures that pass by themselves are tried again within
        `retry_budget_s`. A reader that makes us wait costs the server no time: only
        the waits for the server count for the time-outs.

        Raises:
            ProviderError: the last try failed, the reply broke off, or it has thoughts
                and not a word.
        """
        options = self._options
        tries = Tries(min(options.retry_budget_s, options.first_token_timeout_s))
        with trio.move_on_after(options.first_token_timeout_s) as patience:
            reply = IncomingReply(f"{self._url}/chat/completions", tokens, patience)
            while (error := await self._try(messages, reply)) is not None:
                pause_s = None if reply.started else self._pause_s(error, tries)
                if pause_s is None:
                    raise error
                _log.info("trying again in %.1f s: %s", pause_s, error.message)
                reply.start_anew()
                await trio.sleep(pause_s)
        if patience.cancelled_caught:
            raise reply.stalled(options)
        return reply.usage

    def _pause_s(self, error: ProviderError, tries: Tries) -> float | None:
        """How long to wait before trying again; None if `error` is final."""
        cause = error.__cause__
        if (
            isinstance(cause, httpx.HTTPStatusError)
            and cause.response.status_code in _BAD_REQUEST
            and self._options.usage
            and not self._settled
        ):
            # Perhaps it refuses to count tokens; if not, its answer is the same.
            self._counts = not self._counts
            return None if self._counts else 0.0
        return tries.pause_s(error)

    async def _try(
        self, messages: Sequence[Message], reply: IncomingReply
    ) -> ProviderError | None:
        """Why it failed, if it did."""
        try:
            await self._ask(messages, reply)
        except ProviderError as error:
            return error
        return None

    async def _ask(self, messages: Sequence[Message], reply: IncomingReply) -> None:
        if not self._model:
            await self.check()
        async with self._http.events(reply.url, self._body(messages)) as events:
            await reply.pass_on(events, self._options.token_timeout_s)
            self._settled = True
            if reply.usage is not None:
                _log.info("%s: %s", self.name, reply.usage)
        reply.expect_words()

    def _body(self, messages: Sequence[Message]) -> dict[str, Any]:
        options = self._options
        settings: dict[str, Any] = {
            "model": self._model,
            "max_tokens": options.max_tokens,
            "temperature": options.temperature,
            "stop": options.stop,
            "reasoning_effort": options.reasoning_effort,
            "chat_template_kwargs": options.chat_template_kwargs,
            "stream_options": {"include_usage": True} if self._counts else {},
        }
        if options.max_completion_tokens:
            settings["max_completion_tokens"] = options.max_completion_tokens
        body = chat_wire.request_body(messages, settings, options.extra)
        return {key: body[key] for key in body if key not in options.omit}
