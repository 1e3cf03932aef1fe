"""The HTTP client of providers: kept connections, and answers as they are.

An answer that is compressed is refused: a kilobyte of gzip can stand for a megabyte,
and is expanded before anybody could say that it is enough.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from providers.http_words import shorten
from trioagent.errors import ProviderError

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEEP_ALIVE_S = 300.0
"""People pause for longer than the 5 s that httpx would keep a connection."""
_KEEP_CONNECTIONS = 8
_LOCAL_HOSTS = ("127.0.0.1", "localhost", "[::1]")
_AS_IT_IS = "identity"


def http_client(
    api_key: str, connect_timeout_s: float, headers: Mapping[str, str] | None = None
) -> httpx.AsyncClient:
    """A client whose successful answers are not compressed.

    Its requests raise ProviderError for one that is. Close it.
    """
    sent = httpx.Headers({"Authorization": f"Bearer {api_key}"} if api_key else {})
    sent.update(headers)
    sent["Accept-Encoding"] = _AS_IT_IS
    return httpx.AsyncClient(
        headers=sent,
        timeout=httpx.Timeout(None, connect=connect_timeout_s),
        # httpcore can lose a connection's place for ever when a request is cancelled
        # while it waits for one, so nobody ever waits for one.
        limits=httpx.Limits(
            max_connections=None,
            max_keepalive_connections=_KEEP_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE_S,
        ),
        # A proxy set for the internet does not know this machine's own servers.
        mounts={f"all://{host}": None for host in _LOCAL_HOSTS},
        event_hooks={"response": [_refuse_compressed]},
    )


def compression(response: httpx.Response) -> str:
    """How the body is compressed, fit for a message; empty if it is not."""
    said = response.headers.get("Content-Encoding", "").strip()
    return "" if said.lower() in ("", _AS_IT_IS) else shorten(said)


async def _refuse_compressed(  # noqa: ASYNC124 - httpx awaits it
    response: httpx.Response,
) -> None:
    # Of an error's answer no more than its status is needed: see HttpErrors.words_of.
    if response.is_success and (how := compression(response)):
        raise ProviderError(
            f"{response.url} sent a compressed answer ({how}), which was not asked for",
            hint="turn compression off in the server, or in the proxy in front of it",
        )
