"""What goes wrong between us and an HTTP server, as trioagent's errors.

The only place that knows httpx's exceptions by name. No message holds the API key.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import httpx
import trio
from httpx_sse import SSEError

from providers.llm import chat_wire
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BODY_BYTES = 1 << 16
_BODY_S = 1.0
_SHORTEST_SECRET = 8
"""Dummy keys such as "none" may stand anywhere and are no secret."""

_HINTS = {
    401: "set api_key in [llm.openai] to a key that the server takes",
    403: "set api_key in [llm.openai] to a key that may use this model",
    404: "check base_url and model in [llm.openai]",
    429: "the server is busy or the quota is used up: wait, or use another server",
}


@attrs.frozen
class HttpErrors:
    """Translates; knows what not to say."""

    api_key: str = attrs.field(repr=False)
    connect_timeout_s: float

    @contextmanager
    def translated(self, url: str) -> Iterator[None]:
        """Raise `ProviderError` for what the protocol or the connection does wrong."""
        try:
            yield
        except chat_wire.WireError as error:
            said = chat_wire.error_message(self._redact(error.data))
            raise ProviderError(f"{url} {error.what}: {said}") from error
        except httpx.ConnectTimeout as error:
            raise ProviderUnavailable(
                f"{url}: no connection in {self.connect_timeout_s:g} s",
                hint="check host and network, or raise connect_timeout_s",
            ) from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            raise ProviderUnavailable(
                f"{url}: no connection: {self._redact(str(error))}",
                hint="start the server, or set base_url in [llm.openai]",
            ) from error
        except httpx.TransportError as error:
            said = self._redact(str(error)) or type(error).__name__
            raise ProviderError(f"{url} broke off: {said}") from error
        except (httpx.HTTPError, SSEError) as error:
            said = self._redact(str(error))
            raise ProviderError(f"{url} did not answer as asked: {said}") from error

    async def refusal(self, response: httpx.Response) -> ProviderError:
        """The error for an answer whose status is not 200, with the server's words."""
        body = b""
        with trio.move_on_after(_BODY_S):
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _MOST_BODY_BYTES:
                    break
        status = response.status_code
        said = chat_wire.error_message(self._redact(body.decode(errors="replace")))
        message = f"{response.url} answered {status} {response.reason_phrase}: {said}"
        if status in _HINTS:
            return ProviderUnavailable(message, hint=_HINTS[status])
        if status >= 500:
            return ProviderUnavailable(message, hint="see the server's log")
        return ProviderError(
            message, hint="check base_url, model and extra in [llm.openai]"
        )

    def _redact(self, text: str) -> str:
        is_secret = len(self.api_key) >= _SHORTEST_SECRET
        return text.replace(self.api_key, "***") if is_secret else text
