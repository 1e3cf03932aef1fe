"""The options that all clients of Wyoming servers have."""

from __future__ import annotations

import attrs
from attrs import validators as v


@attrs.frozen(kw_only=True)
class WyomingOptions:
    """Which servers, and how long each may take."""

    uris: tuple[str, ...] = ()
    """`tcp://host:port` or `unix:///path`. Of several, the least loaded that works is
    asked; another takes over when it fails."""
    connect_timeout_s: float = attrs.field(default=2.0, validator=[v.gt(0), v.le(60)])
    answer_timeout_s: float = attrs.field(default=4.0, validator=[v.gt(0), v.le(300)])
    """The longest silence of a server that owes an answer."""
    check_interval_s: float = attrs.field(default=10.0, validator=[v.gt(0), v.le(3600)])
    """How often each server is asked whether it is well."""
