"""A local socket that tells whoever connects how the agent is: one JSON object.

Clients send nothing, so there is nothing to parse. They are few at a time, have little
time, and nothing that they do or leave undone makes the agent wait.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs
import trio

from trioagent.errors import TrioagentError
from trioagent.private import private_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

log = logging.getLogger(__name__)

OFF = "off"
FILE_NAME = "status.socket"
CLIENTS = 4
ANSWER_S = 2.0
# At most so often somebody is answered, however many knock.
PAUSE_S = 0.02
BACKLOG = 16
MAX_ANSWER = 1_000_000


class NobodyAnswers(TrioagentError):
    """No agent tells how it is."""


def socket_path(configured: str) -> Path | None:
    """Where the configuration's `[status] socket` is; None: nowhere."""
    if configured == OFF:
        return None
    if configured:
        return Path(configured)
    return _runtime_folder() / FILE_NAME


def _runtime_folder() -> Path:
    with warnings.catch_warnings():
        # It falls back to a folder in /tmp, and says so to nobody's use.
        warnings.simplefilter("ignore")
        return platformdirs.user_runtime_path("trioagent")


async def answer_at(path: Path, report: Callable[[], Mapping[str, object]]) -> None:
    """Answer everybody who connects with `report()`, until cancelled.

    A socket whose process is dead is replaced; where another agent answers, or none can
    be made, a warning says so and nobody is answered.
    """
    await trio.lowlevel.checkpoint()
    try:
        listener = _listen(path)
    except (OSError, ValueError) as error:
        log.warning("`trioagent status` will not work: %s: %s", path, error)
        return
    with _standing_for(path, listener):
        await _serve(trio.socket.from_stdlib_socket(listener), report)


def ask(path: Path, timeout_s: float = ANSWER_S) -> dict[str, object]:
    """How the agent is that answers there.

    Raises:
        NobodyAnswers: there is none, or it is stuck.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as stream:
            stream.settimeout(timeout_s)
            stream.connect(str(path))
            answer = b"".join(_pieces(stream))
        told = json.loads(answer)
    except (OSError, ValueError) as error:
        raise NobodyAnswers(
            f"no agent answers at {path}: {str(error) or type(error).__name__}",
            hint="does it run, as this user, with the same [status] socket?",
        ) from error
    if not isinstance(told, dict):
        raise NobodyAnswers(f"what answers at {path} is no agent")
    return told


def _pieces(stream: socket.socket) -> Iterator[bytes]:
    size = 0
    while size < MAX_ANSWER and (piece := stream.recv(65536)):
        size += len(piece)
        yield piece


def _listen(path: Path) -> socket.socket:
    private_folder(path.parent)
    if path.parent == _runtime_folder():
        _check_ours(path.parent)
    if _answers(path):
        raise OSError("another agent answers there: set another [status] socket")
    # Made beside it, closed to others, and then put in its place: at no moment can
    # somebody else connect, or is there none. A short name: 107 bytes are the limit.
    made = path.with_name(f".{os.getpid()}")
    listener = socket.socket(
        socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
    )
    try:
        made.unlink(missing_ok=True)
        listener.bind(str(made))
        made.chmod(0o600)
        listener.listen(BACKLOG)
        made.rename(path)
    except BaseException:
        listener.close()
        with contextlib.suppress(OSError):
            made.unlink()
        raise
    return listener


@contextlib.contextmanager
def _standing_for(path: Path, listener: socket.socket) -> Iterator[None]:
    """Close the listener in the end, and remove its file unless another took over."""
    ours = path.lstat().st_ino
    try:
        yield
    finally:
        listener.close()
        with contextlib.suppress(OSError):
            if path.lstat().st_ino == ours:
                path.unlink()


def _check_ours(folder: Path) -> None:
    """Where there is no runtime folder of ours, platformdirs takes one in /tmp."""
    for one, owners in ((folder, [os.geteuid()]), (folder.parent, [0, os.geteuid()])):
        found = one.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in owners:
            raise OSError(f"{one} belongs to somebody else")
    if stat.S_IMODE(folder.stat().st_mode) & 0o077:
        folder.chmod(0o700)


def _answers(path: Path) -> bool:
    """Whether a living process listens there.

    Raises:
        OSError: something else has that name, and is not ours to replace, or no socket
            can have it.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise FileExistsError("there is a file of that name that is no socket")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(0)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except BlockingIOError:  # it lives, and has many clients
            return True
        return True


async def _serve(
    listener: trio.socket.SocketType, report: Callable[[], Mapping[str, object]]
) -> None:
    places = trio.CapacityLimiter(CLIENTS)
    async with trio.open_nursery() as nursery:
        while True:
            async with places:
                pass  # too many already: the others wait in the kernel's queue
            try:
                client, _ = await listener.accept()
            except OSError as error:  # out of files, or the client has gone again
                log.debug("no status for a client: %s", error)
            else:
                nursery.start_soon(
                    _answer, client, places, report, name="tell a client the status"
                )
            await trio.sleep(PAUSE_S)


async def _answer(
    client: trio.socket.SocketType,
    places: trio.CapacityLimiter,
    report: Callable[[], Mapping[str, object]],
) -> None:
    stream = trio.SocketStream(client)
    with client, trio.move_on_after(ANSWER_S):
        async with places:
            try:
                told = json.dumps(report())
            except Exception:  # a mistake of ours: the agent goes on without it
                log.exception("the status cannot be told")
                return
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(told.encode() + b"\n")
