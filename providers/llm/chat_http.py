"""HTTP to a chat server: connections that are kept, answers as they come, in bounds.

One client lives as long as the provider, so that a reply finds a connection open.
"""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import httpx
import trio
from httpx_sse import EventSource

from providers.http_client import http_client
from providers.llm.chat_wire import WireError
from providers.llm.http_errors import HttpErrors

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from httpx_sse import ServerSentEvent

    from providers.llm.openai import Options

_CLOSE_S = 1.0
_HTTP_OK = 200
_NO_SUCH_PAGE = {404, 405, 501}
_MOST_LISTING_BYTES = 1 << 22
_MOST_EVENT_CHARS = 1 << 20


class ChatHttp:
    """The requests of a chat client. All errors are trioagent's."""

    def __init__(self, options: Options) -> None:
        self._client = http_client(
            options.api_key, options.connect_timeout_s, options.headers
        )
        self._errors = HttpErrors(
            api_key=options.api_key,
            connect_timeout_s=options.connect_timeout_s,
            header_values=tuple(options.headers.values()),
        )

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close all connections at the end of the block."""
        async with self._client:
            yield

    async def listing(self, url: str) -> str:
        """What the server answers at `url`; empty if it has no such page."""
        with self._errors.translated(url):
            async with self._answer("GET", url) as response:
                if response.status_code in _NO_SUCH_PAGE:
                    return ""
                if response.status_code != _HTTP_OK:
                    raise await self._errors.refusal(response)
                body = bytearray()
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _MOST_LISTING_BYTES:
                        raise WireError("sent too much to be a list of models", "")
        return body.decode(errors="replace")

    @asynccontextmanager
    async def events(
        self, url: str, body: dict[str, Any]
    ) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        """Post `body`; the events of the answer as they come.

        Nothing is read ahead of who iterates, but for one read of the socket. Leaving
        the block before their end closes the connection, which tells the server.
        """
        with self._errors.translated(url):
            async with self._answer("POST", url, json=body) as response:
                if response.status_code != _HTTP_OK:
                    raise await self._errors.refusal(response)
                text = _BoundedText(response)
                source = EventSource(cast("httpx.Response", text))
                async with aclosing(source.aiter_sse()) as events:
                    yield text.measured(events)

    @asynccontextmanager
    async def _answer(
        self,
        method: str,
        url: str,
        **content: Any,  # noqa: ANN401 (as httpx has it)
    ) -> AsyncIterator[httpx.Response]:
        request = self._client.build_request(method, url, **content)
        try:
            response = await self._client.send(request, stream=True)
        except (httpx.ReadError, httpx.WriteError, httpx.RemoteProtocolError):
            # The server closed an idle connection just as we took it.
            response = await self._client.send(request, stream=True)
        try:
            yield response
        finally:
            with trio.move_on_after(_CLOSE_S, shield=True):
                await response.aclose()


class _BoundedText:
    """The part of a response that `EventSource` reads; no event is without end."""

    def __init__(self, response: httpx.Response) -> None:
        self.headers = response.headers
        self._texts = response.aiter_text()
        self._chars = 0

    def aiter_text(self) -> _BoundedText:
        return self

    def __aiter__(self) -> _BoundedText:
        return self

    async def __anext__(self) -> str:
        text = await anext(self._texts)
        self._chars += len(text)
        if self._chars > _MOST_EVENT_CHARS:
            raise WireError("sent an event that is too long", text)
        return text

    def measured(
        self, events: AsyncIterator[ServerSentEvent]
    ) -> AsyncIterator[ServerSentEvent]:
        """`events`, each of which starts the measuring anew."""
        return _Measured(self, events)

    def start_anew(self) -> None:
        self._chars = 0


class _Measured:
    def __init__(
        self, text: _BoundedText, events: AsyncIterator[ServerSentEvent]
    ) -> None:
        self._text = text
        self._events = events

    def __aiter__(self) -> _Measured:
        return self

    async def __anext__(self) -> ServerSentEvent:
        event = await anext(self._events)
        self._text.start_anew()
        return event
