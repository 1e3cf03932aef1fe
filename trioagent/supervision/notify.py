"""What systemd is told of a service with `Type=notify`: sd_notify(3), in datagrams.

Whatever goes wrong here costs the message and never the agent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Notifier:
    """Tells systemd; says nothing if nobody listens.

    Attributes:
        address: Of the socket; empty if no service manager started us. One that begins
            with "@" is in Linux's abstract namespace.
        watchdog_s: At least so often `alive` is expected; None: it is not.
    """

    address: str = ""
    watchdog_s: float | None = None
    _told: dict[str, str] = attrs.field(init=False, factory=dict)

    def tell(self, **values: str) -> None:
        """Send these variables, as READY="1"; those of `STATUS` only if changed."""
        if values.get("STATUS") == self._told.get("STATUS", ""):
            values.pop("STATUS", None)
        self._told.update(values)
        if self.address and values:
            lines = (f"{key}={_in_one_line(value)}" for key, value in values.items())
            self._send("\n".join(lines).encode())

    def alive(self) -> None:
        """We make progress; systemd ends and restarts those that say it too rarely."""
        if self.watchdog_s is not None:
            self.tell(WATCHDOG="1")

    def _send(self, datagram: bytes) -> None:
        address = self.address
        name = "\0" + address[1:] if address.startswith("@") else address
        kind = socket.SOCK_DGRAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
        try:
            with socket.socket(socket.AF_UNIX, kind) as sender:
                sender.sendto(datagram, name)
        except OSError as error:
            log.debug("systemd was not told %r: %s", datagram, error)


def notifier(environ: Mapping[str, str] = os.environ) -> Notifier:
    """The one that the service manager asks for in the environment."""
    watchdog_s = None
    # It may be meant for a process that started us.
    if environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid()):
        with contextlib.suppress(ValueError):
            watchdog_s = int(environ.get("WATCHDOG_USEC", "")) / 1e6 or None
    return Notifier(environ.get("NOTIFY_SOCKET", ""), watchdog_s)


def _in_one_line(value: str) -> str:
    return " ".join(value.split())
