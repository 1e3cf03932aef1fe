"""Host names that resolve to this machine, until they do not."""

from __future__ import annotations

import socket
from typing import Any

import attrs
import trio

SUFFIX = ".fault.test"


@attrs.define(eq=False)
class Names(trio.abc.HostnameResolver):
    """Resolves names below `SUFFIX`, but for those in `gone`; leaves the rest alone."""

    gone: set[str] = attrs.Factory(set)

    async def getaddrinfo(
        self,
        host: bytes | None,
        port: bytes | str | int | None,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[tuple[Any, Any, int, str, Any]]:
        """Look a name up."""
        await trio.lowlevel.checkpoint()
        name = host.decode() if isinstance(host, bytes) else host
        if name is not None and name.endswith(SUFFIX):
            if name in self.gone:
                raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
            name = "127.0.0.1"
        return await trio.to_thread.run_sync(
            socket.getaddrinfo, name, port, family, type, proto, flags
        )

    async def getnameinfo(
        self, sockaddr: tuple[Any, ...], flags: int
    ) -> tuple[str, str]:
        """Look an address up."""
        return await trio.to_thread.run_sync(socket.getnameinfo, sockaddr, flags)
