"""The room providers that the tests of rooms run, and what each cannot do.

To add one: an entry in `CLIENTS`, whose `cannot` names capabilities with a reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module, util
from typing import TYPE_CHECKING, Any, Literal

import attrs
import pytest

from trioagent.config import MumbleConfig

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from providers.rooms.murmurd import Murmurd
    from trioagent.interfaces import Room

Capability = Literal[
    "udp",
    "terminator_in",
    "terminator_out",
    "reject_type",
    "verify_ca",
    "verify_pin",
    "client_certificate",
    "channel",
    "reconnect",
    "kick_is_final",
    "clean_tasks",
    "stale_free_udp",
]


@attrs.frozen
class Client:
    """A room provider: its module, the package it needs, and what it cannot do."""

    name: str
    module: str
    package: str = ""
    cannot: Mapping[Capability, str] = attrs.Factory(dict)

    def needs(self, *capabilities: Capability) -> None:
        """Skip the test, with the reason, if one of these is missing."""
        for capability in capabilities:
            if capability in self.cannot:
                pytest.skip(f"{self.name}: {self.cannot[capability]}")

    def open(self, config: MumbleConfig) -> AbstractAsyncContextManager[Room]:
        """Open a room with this provider."""
        if self.package and util.find_spec(self.package) is None:
            pytest.skip(f"{self.name} needs the package {self.package}")
        provider = import_module(self.module).PROVIDER
        room: AbstractAsyncContextManager[Room] = provider.open(config)
        return room


NATIVE = Client("native", "providers.rooms.mumble")
PYMUMBLE = Client(
    "pymumble",
    "providers.rooms.pymumble_room",
    "pymumble_py3",
    {
        "udp": "pymumble has no UDP",
        "stale_free_udp": "pymumble has no UDP",
    },
)
WITHOUT_PYMUMBLE = pytest.mark.skipif(
    util.find_spec(PYMUMBLE.package) is None, reason="pymumble is not installed"
)
CLIENTS = (NATIVE, pytest.param(PYMUMBLE, marks=WITHOUT_PYMUMBLE))


def config_for(server: Murmurd, user: str, **settings: Any) -> MumbleConfig:
    """Return how `user` reaches `server`, whose certificate it trusts."""
    defaults: dict[str, Any] = {
        "server": server.host,
        "port": server.port,
        "user": user,
        "trust": "ca",
        "ca_file": str(server.ca_file),
        "reconnect_min_s": 0.05,
        "reconnect_max_s": 0.3,
        "connect_timeout_s": 5.0,
    }
    return MumbleConfig(**{**defaults, **settings})


def pinned(pin_file: Path) -> dict[str, Any]:
    """Return the settings of trust on first use."""
    return {"trust": "pin", "ca_file": "", "pin_file": str(pin_file)}
