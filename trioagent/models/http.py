"""HTTP: what a server answers, and what goes wrong, in terms of our own.

The only module here that knows httpx.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import httpx

from trioagent.models.errors import ModelError

_LENGTH = re.compile(r"[0-9]{1,18}")


@attrs.frozen
class Patience:
    """How long to wait for a server, and how often to ask it again."""

    connect_s: float = 10.0
    read_s: float = 30.0
    """For the next bytes, not for all of them."""
    first_wait_s: float = 1.0
    longest_wait_s: float = 30.0
    attempts: int = 6
    """In a row that brought nothing. One that brought something begins a new count."""


class TryAgain(Exception):
    """It may work the next time."""


@attrs.frozen
class Client:
    """Connections to servers; close it with `close`."""

    patience: Patience
    _http: httpx.Client

    def close(self) -> None:
        """Close all connections."""
        self._http.close()


@attrs.frozen
class Answer:
    """What a server answered. Header fields that it did not send are empty."""

    status: int
    reason: str
    etag: str
    last_modified: str
    content_range: str
    length: int | None
    """Of the body, in bytes, as the server says."""
    data: Iterator[bytes]
    """The body as it comes. TryAgain: the server stalls or broke off."""


def client(patience: Patience) -> Client:
    """A client that follows redirects, as every host of models needs."""
    timeout = httpx.Timeout(patience.read_s, connect=patience.connect_s)
    return Client(patience, httpx.Client(follow_redirects=True, timeout=timeout))


@contextmanager
def opened(http: Client, url: str, headers: dict[str, str]) -> Iterator[Answer]:
    """Ask for a file, as it is on the server's disk.

    Raises:
        TryAgain: no connection, or no answer in time; also while the body is read.
        ModelError: asking again would not help.
    """
    headers = {"Accept-Encoding": "identity", **headers}
    with (
        _translated(url, http.patience),
        http._http.stream("GET", url, headers=headers) as response,  # noqa: SLF001 - ours
    ):
        hops = (*response.history, response)
        check_schemes([str(hop.url) for hop in hops])
        length = response.headers.get("Content-Length", "")
        yield Answer(
            status=response.status_code,
            reason=response.reason_phrase,
            etag=response.headers.get("ETag", ""),
            last_modified=response.headers.get("Last-Modified", ""),
            content_range=response.headers.get("Content-Range", ""),
            length=int(length) if _LENGTH.fullmatch(length) else None,
            data=response.iter_raw(),
        )


def check_schemes(urls: list[str]) -> None:
    """Raise ModelError if a redirect leaves TLS."""
    if not urls[0].startswith("https:"):
        return
    if plain := next((url for url in urls if not url.startswith("https:")), None):
        raise ModelError(f"{urls[0]} sends us on to {plain}, which is not protected")


@contextmanager
def _translated(url: str, patience: Patience) -> Iterator[None]:
    try:
        yield
    except httpx.ConnectTimeout as error:
        raise TryAgain(f"no connection in {patience.connect_s:g} s") from error
    except httpx.TimeoutException as error:
        raise TryAgain(f"nothing came for {patience.read_s:g} s") from error
    except (httpx.NetworkError, httpx.RemoteProtocolError, httpx.ProxyError) as error:
        raise TryAgain(str(error) or type(error).__name__) from error
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ModelError(f"{url}: {error}") from error
