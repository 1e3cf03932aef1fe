"""Where a key goes: over TLS, or not further than this machine."""

from __future__ import annotations

import ipaddress
import logging
from urllib.parse import urlsplit

_log = logging.getLogger(__name__)


def warn_of_readable_key(base_url: str, section: str, *, keys: bool) -> None:
    """Warn if the requests to `base_url` hold keys that the network can read.

    Args:
        base_url: Where they go.
        section: The provider's table in the configuration: "llm.openai".
        keys: Whether they hold any.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    if keys and parts.scheme == "http" and not is_local(host):
        _log.warning(
            "[%s] sends its api_key to %s without encryption: whoever is on the way "
            "can read it. Use https:// in base_url",
            section,
            host,
        )


def is_local(host: str) -> bool:
    """Whether what is sent to this host stays on this machine."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
