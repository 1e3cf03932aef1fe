"""Where a Wyoming server listens: `tcp://host:port` or `unix:///path`."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

import attrs

from trioagent.errors import ConfigError

_SHOWN_CHARS = 200


@attrs.frozen
class Address:
    """A TCP host and port, or the path of a Unix socket (then `host` is empty)."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return f"unix://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"

    @property
    def is_local(self) -> bool:
        """Whether only this machine can reach it."""
        if self.path or self.host == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return False


def parse_address(uri: str) -> Address:
    """Read an address.

    Raises:
        ConfigError: it is none.
    """
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError as error:
        raise _no_address(uri, str(error)) from error
    if parts.query or parts.fragment or parts.username is not None:
        raise _no_address(uri, "it holds more than an address")
    if parts.scheme == "unix":
        if parts.netloc or not parts.path.startswith("/"):
            raise _no_address(uri, "the path must be absolute")
        return Address(path=parts.path)
    if parts.scheme != "tcp":
        raise _no_address(uri, "it begins with neither tcp:// nor unix://")
    if not parts.hostname or port is None or parts.path not in {"", "/"}:
        raise _no_address(uri, "it needs a host and a port, and nothing else")
    return Address(host=parts.hostname, port=port)


def _no_address(uri: str, reason: str) -> ConfigError:
    scheme, slashes, rest = uri.partition("//")
    secret, _, host = rest.rpartition("@")
    shown = f"{scheme}{slashes}***@{host}" if secret else uri
    shown = shown if len(shown) <= _SHOWN_CHARS else f"{shown[:_SHOWN_CHARS]}…"
    return ConfigError(
        f"{shown!r} is no address of a Wyoming server: {reason}",
        hint="write tcp://host:port or unix:///path/of/the/socket",
    )
