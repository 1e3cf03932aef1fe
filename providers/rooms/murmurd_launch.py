"""One start of murmurd: from its files on disk until it really serves."""

from __future__ import annotations

import secrets
import signal
import subprocess

import trio

from providers.rooms.bound_child import end_child, spawn_bound
from providers.rooms.murmurd_setup import MurmurdSetup, add_channels, write_ini
from providers.rooms.server_ping import ping_server
from trioagent.errors import RoomUnreachable

START_TIMEOUT_S = 15.0
END_TIMEOUT_S = 2.0
POLL_S = 0.01
PING_TIMEOUT_S = 0.1
LOG_TAIL_CHARS = 1500
LISTENS = "Server listening on"
ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


class PortTaken(RoomUnreachable):
    """Another program listens there."""


async def launch(setup: MurmurdSetup, port: int) -> subprocess.Popen[bytes]:
    """Start murmurd on `port` and return it when it serves.

    If cancelled, or on an error, it does not run.

    Raises:
        PortTaken: another program has the port.
        RoomUnreachable: it did not come up.
    """
    write_ini(setup, port)
    furnished = setup.settings.superuser_password or setup.settings.channels
    if furnished and not setup.database_file.exists():
        await _make_database(setup)
    command = [setup.program, "-fg", "-ini", str(setup.ini_file)]
    process = spawn_bound(command, setup.log_file)
    serves = False
    try:
        with trio.move_on_after(START_TIMEOUT_S):
            await _until_it_serves(setup, port, process)
            serves = True
    finally:
        if not serves:
            with trio.move_on_after(END_TIMEOUT_S, shield=True):
                await end_child(process, signal.SIGKILL, END_TIMEOUT_S)
    if not serves:
        raise _did_not_come_up(_log(setup))
    setup.database_file.chmod(0o600)  # it makes it readable to its group
    return process


async def _until_it_serves(
    setup: MurmurdSetup, port: int, process: subprocess.Popen[bytes]
) -> None:
    host = setup.settings.host
    while True:
        alive = process.poll() is None  # before the log is read: it is complete then
        text = _log(setup)
        if _failed_to_bind(text):
            raise PortTaken(
                f"{host}:{port} is taken: murmurd cannot listen there",
                hint="end the program that has it, or set another [mumble] port",
            )
        if not alive:
            raise _did_not_come_up(text)
        await trio.sleep(POLL_S)
        # Both: another server on that port would answer pings, too.
        near = ANY_ADDRESS.get(host, host)
        if LISTENS in text and await ping_server(near, port, PING_TIMEOUT_S):
            return


def _failed_to_bind(text: str) -> bool:
    """Whether murmurd could not have the port; it says so and runs on, deaf."""
    return ("Listen on" in text and "failed" in text) or "Failed to bind" in text


def _did_not_come_up(text: str) -> RoomUnreachable:
    public = [line for line in text.splitlines() if "'SuperUser'" not in line]
    tail = "\n".join(public)[-LOG_TAIL_CHARS:] or "(nothing)"
    return RoomUnreachable(f"murmurd did not come up; it said:\n{tail}")


def _log(setup: MurmurdSetup) -> str:
    return setup.log_file.read_text(encoding="utf-8", errors="replace")


async def _make_database(setup: MurmurdSetup) -> None:
    """Let murmurd make its database, then put in what it should hold at first."""
    password = setup.settings.superuser_password or secrets.token_urlsafe()
    command = [setup.program, "-ini", str(setup.ini_file), "-readsupw"]
    with trio.move_on_after(START_TIMEOUT_S):
        done = await trio.run_process(
            command,
            stdin=f"{password}\n".encode(),
            capture_stdout=True,
            stderr=subprocess.STDOUT,
            check=False,
            umask=0o077,
        )
        if done.returncode != 0 or not setup.database_file.exists():
            raise _did_not_come_up(done.stdout.decode(errors="replace"))
        add_channels(setup)
        return
    raise _did_not_come_up(f"no database within {START_TIMEOUT_S} s")
