"""A private Mumble server: murmurd as a child process, looked after until we leave.

It is for trying the agent out and for tests: its users and channels live in a
temporary folder and end with it. Only its certificate is kept.
"""

from __future__ import annotations

import errno
import logging
import secrets
import shutil
import signal
import socket
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from providers.rooms.bound_child import end_child
from providers.rooms.murmurd_launch import PortTaken, launch
from providers.rooms.murmurd_setup import MurmurdSettings, MurmurdSetup
from providers.rooms.server_certificate import ServerCertificate, ensure_certificate
from trioagent.errors import ProviderUnavailable, TrioagentError

if TYPE_CHECKING:
    import subprocess
    from collections.abc import AsyncIterator

__all__ = ["Murmurd", "MurmurdSettings", "find_murmurd", "open_murmurd"]

log = logging.getLogger(__name__)

PROGRAMS = ("murmurd", "mumble-server")
PROGRAM_PATH = "/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin"
STOP_GRACE_S = 0.6
FREE_PORT_TRIES = 5
OWN_PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections: one of these could take our
port while the server is started again."""
WATCH_S = 0.1
RESTART_MIN_S = 0.2
RESTART_MAX_S = 30.0
STABLE_S = 60.0
"""After so long a life the pauses before a new start begin at the shortest again."""


def find_murmurd() -> str | None:
    """Return the path of the server's program, or None if it is not installed."""
    # Ordinary users often have no sbin on their path.
    found = (shutil.which(p) or shutil.which(p, path=PROGRAM_PATH) for p in PROGRAMS)
    return next(filter(None, found), None)


@asynccontextmanager
async def open_murmurd(settings: MurmurdSettings) -> AsyncIterator[Murmurd]:
    """Run a Mumble server as long as the block runs.

    If the server dies by itself it is started again, on the same port, with growing
    pauses. Leaving the block, or being cancelled, ends it within a second.

    Raises:
        ProviderUnavailable: murmurd is not installed, or its certificate cannot be
            made or read.
        RoomUnreachable: the port is taken, or the server did not come up.
    """
    program = find_murmurd()
    if program is None:
        raise ProviderUnavailable(
            "the embedded Mumble server, murmurd, is not installed",
            hint="apt-get install mumble-server, or name a server in [mumble] server",
        )
    certificate = await _certificate(settings.certificate_folder)
    failure: Exception | None = None
    with tempfile.TemporaryDirectory(prefix="trioagent-murmurd-") as folder:
        async with trio.open_nursery() as nursery:
            setup = MurmurdSetup(program, Path(folder), settings, certificate)
            server = Murmurd(setup)
            try:
                await server.start()
                nursery.start_soon(server.look_after, name="murmurd supervision")
                yield server
            except Exception as error:  # noqa: BLE001 - raised below, in no group
                failure = error
            finally:
                nursery.cancel_scope.cancel()
                with trio.CancelScope(shield=True):  # bounded: it ends by SIGKILL
                    await server.stop()
    if failure is not None:
        raise failure


async def _certificate(folder: Path) -> ServerCertificate:
    try:
        return await trio.to_thread.run_sync(ensure_certificate, folder)
    except OSError as error:
        raise ProviderUnavailable(
            f"the embedded server's certificate cannot be kept in {folder}: {error}",
            hint="give the folder to the user that runs trioagent",
        ) from error


class Murmurd:
    """A running Mumble server. Made by `open_murmurd`."""

    def __init__(self, setup: MurmurdSetup) -> None:
        self._setup = setup
        self._port = setup.settings.port
        self._changing = trio.Lock()
        # None while it is stopped on purpose; a dead process waits for a new start.
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        """Where it listens."""
        return self._setup.settings.host

    @property
    def port(self) -> int:
        """The port, of TCP and of UDP; it stays the same over restarts."""
        return self._port

    @property
    def address(self) -> str:
        """Where it is, for people: "host:port"."""
        return f"{self.host}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """PEM file that verifies the server."""
        return self._setup.certificate.certificate_file

    @property
    def pid(self) -> int | None:
        """The process id, of a dead process too; None when it was stopped."""
        return None if self._process is None else self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process is alive now."""
        return self._process is not None and self._process.poll() is None

    async def start(self) -> None:
        """Start it, if it does not run, and wait until it serves.

        If cancelled while it starts, it does not run.

        Raises:
            RoomUnreachable: as `open_murmurd`.
        """
        async with self._changing:
            if not self.running:
                await self._launch()

    async def stop(self) -> None:
        """End it, politely at first. It stays down until `start`."""
        await self._end(signal.SIGTERM)

    async def kill(self) -> None:
        """End it as a crash would, by SIGKILL. It stays down until `start`."""
        await self._end(signal.SIGKILL)

    async def look_after(self) -> None:
        """Start it again whenever it died by itself. Runs until cancelled."""
        pause_s, up_since = RESTART_MIN_S, trio.current_time()
        while True:
            await trio.sleep(WATCH_S)
            if self._process is None or self.running:
                continue
            if trio.current_time() - up_since > STABLE_S:
                pause_s = RESTART_MIN_S
            log.warning(
                "murmurd at %s died (status %s); starting it again in %.1f s",
                self.address, self._process.returncode, pause_s,
            )  # fmt: skip
            await trio.sleep(pause_s)
            pause_s = min(2 * pause_s, RESTART_MAX_S)
            await self._revive()
            up_since = trio.current_time()

    async def _revive(self) -> None:
        async with self._changing:
            if self._process is None or self.running:
                return  # somebody stopped or started it meanwhile
            try:
                await self._launch()
            except (TrioagentError, OSError) as error:
                log.warning("murmurd at %s is not back yet: %s", self.address, error)

    async def _end(self, signum: signal.Signals) -> None:
        async with self._changing:
            process, self._process = self._process, None
            if process is not None:
                await end_child(process, signum, STOP_GRACE_S)

    async def _launch(self) -> None:
        attempt = 1
        while True:
            await trio.lowlevel.checkpoint()
            port = self._port or free_port(self.host)
            try:
                self._process = await launch(self._setup, port)
            except PortTaken:  # by somebody quicker than us, if it was free just now
                if self._port or attempt == FREE_PORT_TRIES:
                    raise
                attempt += 1
            else:
                self._port = port
                return


def free_port(host: str) -> int:
    """Return a port that is free now, for TCP and for UDP."""
    while True:
        port = secrets.choice(OWN_PORTS)
        if _is_free(host, port, socket.SOCK_STREAM, socket.SOCK_DGRAM):
            return port


def _is_free(host: str, port: int, *kinds: socket.SocketKind) -> bool:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for kind in kinds:
        with socket.socket(family, kind) as probe:
            try:
                probe.bind((host, port))
            except OSError as error:
                # What else is wrong, the server will say.
                return error.errno != errno.EADDRINUSE
    return True
