"""A client of /chat/completions, streamed as server-sent events.

It keeps its connections for its whole life, so that a reply finds one open.
"""

from __future__ import annotations

import logging
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import trio
from httpx_sse import EventSource

from providers.llm import chat_wire
from providers.llm.http_errors import HttpErrors
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from httpx_sse import ServerSentEvent

    from providers.llm.openai import Options
    from trioagent.interfaces import Message, Outlet

_log = logging.getLogger(__name__)

_TAIL_S = 0.25
"""How long a reply that is complete may take to end its body."""
_CLOSE_S = 1.0
_KEEP_ALIVE_S = 300.0
"""People pause for longer than the 5 s that httpx would keep a connection."""
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_KEEP_CONNECTIONS = 8
_HTTP_OK = 200
_HTTP_NOT_FOUND = 404


class ChatClient:
    """A model behind /chat/completions."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._client = _http_client(options)
        self._url = options.base_url.rstrip("/")
        self._model = options.model
        self._errors = HttpErrors(options.api_key, options.connect_timeout_s)

    @property
    def name(self) -> str:
        """The model, once it is known, and where it is."""
        return f"{self._model} at {self._url}" if self._model else self._url

    @asynccontextmanager
    async def closing(self) -> AsyncIterator[None]:
        """Close all connections at the end of the block."""
        async with self._client:
            yield

    async def check(self) -> None:
        """Ask for the server's models. A server without such a list is up, too."""
        url = f"{self._url}/models"
        timeout_s = self._options.first_token_timeout_s
        body = ""
        with trio.move_on_after(timeout_s) as patience, self._errors.translated(url):
            async with self._answer("GET", url) as response:
                if response.status_code not in (_HTTP_OK, _HTTP_NOT_FOUND):
                    raise await self._errors.refusal(response)
                await response.aread()
                body = response.text if response.status_code == _HTTP_OK else ""
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
            shown = chat_wire.shorten(", ".join(names))
            _log.warning("%s lists no model %r, but: %s", self._url, wanted, shown)
        self._model = wanted or names[0]

    async def reply(self, messages: Sequence[Message], tokens: Outlet[str]) -> None:
        """Send the pieces of the reply as the server streams them.

        A reader that makes us wait costs the server no time: only the waits for the
        server count for the time-outs.
        """
        if not self._model:
            await self.check()
        url = f"{self._url}/chat/completions"
        body = self._request_body(messages)
        limit, limit_s = "first_token_timeout_s", self._options.first_token_timeout_s
        is_last = False
        with trio.move_on_after(limit_s) as patience, self._errors.translated(url):
            async with self._events(url, body) as events:
                async for event in events:
                    patience.deadline = float("inf")
                    chunk = chat_wire.read_chunk(event.data)
                    if chunk.text:
                        await tokens.send(chunk.text)
                    if is_last := chunk.is_last:
                        break
                    limit, limit_s = "token_timeout_s", self._options.token_timeout_s
                    patience.deadline = trio.current_time() + limit_s
        if patience.cancelled_caught:
            raise ProviderError(
                f"{url} stalled: nothing came for {limit_s:g} s",
                hint=f"see whether the server is overloaded, or raise {limit}",
            )
        if not is_last:
            raise ProviderError(f"{url} ended its reply in the middle")

    def _request_body(self, messages: Sequence[Message]) -> dict[str, Any]:
        settings = {
            "model": self._model,
            "max_tokens": self._options.max_tokens,
            "temperature": self._options.temperature,
        }
        return chat_wire.request_body(messages, settings, self._options.extra)

    @asynccontextmanager
    async def _events(
        self, url: str, body: dict[str, Any]
    ) -> AsyncIterator[AsyncIterator[ServerSentEvent]]:
        async with self._answer("POST", url, json=body) as response:
            if response.status_code != _HTTP_OK:
                raise await self._errors.refusal(response)
            async with aclosing(EventSource(response).aiter_sse()) as events:
                yield events
                # Read to the end of the body: a connection that is left in the middle
                # of one is closed, and the next reply would pay for a new one.
                with trio.move_on_after(_TAIL_S):
                    await _exhaust(events)

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


async def _exhaust(events: AsyncIterator[object]) -> None:
    await trio.lowlevel.checkpoint()
    async for _ in events:
        pass


def _http_client(options: Options) -> httpx.AsyncClient:
    key = options.api_key
    return httpx.AsyncClient(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(None, connect=options.connect_timeout_s),
        # httpcore can lose a connection's place for ever when a request is cancelled
        # while it waits for one, so nobody ever waits for one.
        limits=httpx.Limits(
            max_connections=None,
            max_keepalive_connections=_KEEP_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE_S,
        ),
        # A proxy set for the internet does not know this machine's own servers.
        mounts={f"all://{host}": None for host in _LOCAL_HOSTS},
    )
