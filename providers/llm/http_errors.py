"""What goes wrong between us and a chat server, as trioagent's errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import httpx
from httpx_sse import SSEError

from providers import http_errors
from providers.http_words import error_message
from providers.llm.chat_wire import WireError
from providers.redaction import redacted
from trioagent.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Iterator


@attrs.frozen(kw_only=True)
class HttpErrors(http_errors.HttpErrors):
    """Translates; knows what not to say."""

    section: str = "llm.openai"
    request_keys: str = "base_url, model and extra"
    header_values: tuple[str, ...] = attrs.field(default=(), repr=False)
    """They may be keys, too."""

    @contextmanager
    def translated(self, url: str) -> Iterator[None]:
        """Raise `ProviderError` for what the protocol or the connection does wrong."""
        # attrs makes the class anew, and `super` would not know it in a generator.
        with http_errors.HttpErrors.translated(self, url):
            try:
                yield
            except WireError as error:
                said = error_message(error.data, self.redact)
                raise ProviderError(f"{url} {error.what}: {said}") from error
            except SSEError as error:
                said = self.redact(str(error))
                message = f"{url} did not answer as asked: {said}"
                raise ProviderError(message) from error

    async def refusal(self, response: httpx.Response) -> ProviderError:
        """As any provider's; its cause is the answer."""
        error = await super().refusal(response)
        error.__cause__ = httpx.HTTPStatusError(
            error.message, request=response.request, response=response
        )
        return error

    def redact(self, text: str) -> str:
        """Without the API key, and without what our headers hold."""
        # Of "Token KEY" a server may name the key alone.
        keys = [value.rpartition(" ")[2] for value in self.header_values]
        return redacted(text, self.api_key, *self.header_values, *keys)
