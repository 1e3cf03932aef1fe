"""What goes wrong between us and an HTTP server, as trioagent's errors.

The only place that knows httpx's exceptions by name. No message holds the API key.
"""

from __future__ import annotations

import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs
import httpx
import trio

from providers.http_client import compression
from providers.http_words import error_message
from providers.redaction import redacted
from trioagent.errors import ProviderError, ProviderUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_BODY_BYTES = 1 << 16
_BODY_S = 1.0

_HINTS = {
    401: "set api_key in [{}] to a key that the server takes",
    403: "set api_key in [{}] to a key that may use this model",
    404: "check base_url and model in [{}]",
    405: "check base_url in [{}]",
    429: "the server is busy or the quota is used up: wait, or use another server",
}
_TLS_HINT = (
    "the server must show a certificate for that name, of an authority that is trusted;"
    " of your own authority, the environment variable SSL_CERT_FILE names the PEM file"
)


@attrs.frozen(kw_only=True)
class HttpErrors:
    """Translates; knows what not to say.

    Attributes:
        section: The provider's table in the configuration, for hints: "llm.openai".
        request_keys: Keys in it that can make a server refuse a request.
    """

    api_key: str = attrs.field(repr=False)
    connect_timeout_s: float
    section: str
    request_keys: str

    @contextmanager
    def translated(self, url: str) -> Iterator[None]:
        """Raise `ProviderError` for what the protocol or the connection does wrong."""
        try:
            yield
        except httpx.ConnectTimeout as error:
            raise ProviderUnavailable(
                f"{url}: no connection in {self.connect_timeout_s:g} s",
                hint="check host and network, or raise connect_timeout_s",
            ) from error
        except (httpx.ConnectError, httpx.ProxyError) as error:
            tls = _tls_error(error)
            hint = f"start the server, or set base_url in [{self.section}]"
            raise ProviderUnavailable(
                f"{url}: no connection: {self.redact(str(tls or error))}",
                hint=_TLS_HINT if tls else hint,
            ) from error
        except httpx.TransportError as error:
            said = self.redact(str(error)) or type(error).__name__
            raise ProviderError(f"{url} broke off: {said}") from error
        except httpx.HTTPError as error:
            said = self.redact(str(error))
            raise ProviderError(f"{url} did not answer as asked: {said}") from error

    async def refusal(self, response: httpx.Response) -> ProviderError:
        """The error for an answer whose status is not 200, with the server's words."""
        said = await self.words_of(response)
        status = response.status_code
        reason = self.redact(response.reason_phrase)
        message = f"{response.url} answered {status} {reason}: {said}"
        if status in _HINTS:
            return ProviderUnavailable(
                message, hint=_HINTS[status].format(self.section)
            )
        if status >= 500:
            return ProviderUnavailable(message, hint="see the server's log")
        return ProviderError(
            message, hint=f"check {self.request_keys} in [{self.section}]"
        )

    async def words_of(self, response: httpx.Response) -> str:
        """What the body says, for people; waits a second for it, and cuts it."""
        if how := compression(response):
            return f"a compressed body ({how})"
        body = bytearray()
        with trio.move_on_after(_BODY_S):
            async for part in response.aiter_bytes():
                body += part
                if len(body) > _MOST_BODY_BYTES:
                    break
        return error_message(body.decode(errors="replace"), self.redact)

    def redact(self, text: str) -> str:
        """Without the API key."""
        return redacted(text, self.api_key)


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """What TLS has to say, such as of a certificate: httpx's own error is silent."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, ssl.SSLError):
        cause = cause.__cause__ or cause.__context__
    return cause
