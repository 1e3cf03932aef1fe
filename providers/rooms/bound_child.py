"""Child processes that cannot outlive us, even if we are killed."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import trio

from trioagent.private import open_private

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from pathlib import Path

POLL_S = 0.01

# The kernel's promise to kill a child with its parent has to be asked for by the child
# itself: this asks, then becomes the program. It does nothing if the parent died first.
LAUNCHER = """\
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # 1: PR_SET_PDEATHSIG
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""

PASSED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "TZ", "LD_LIBRARY_PATH"),
    *("LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "LOCALE_ARCHIVE"),
)
"""Of our environment; in the rest there may be keys."""


def spawn_bound(command: Sequence[str], log_file: Path) -> subprocess.Popen[bytes]:
    """Start `command` (an absolute path and its arguments) with its output in a file.

    The kernel kills the child when the *thread* that started it ends. That is why this
    is no `trio.lowlevel.open_process`, which starts children from worker threads: those
    end after ten idle seconds. Call it from Trio's own thread; it takes about 1 ms.
    """
    launcher = [sys.executable, "-I", "-S", "-c", LAUNCHER, str(os.getpid())]
    log = open_private(log_file, os.O_WRONLY | os.O_TRUNC)
    with os.fdopen(log, "wb") as output:
        return subprocess.Popen(
            [*launcher, *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is for us to hear, and to pass on
            umask=0o077,
            env={key: os.environ[key] for key in PASSED_ON if key in os.environ},
        )


async def end_child(
    process: subprocess.Popen[bytes], signum: signal.Signals, grace_s: float
) -> None:
    """Send `signum`, SIGKILL after `grace_s`, and wait until the process is gone.

    Safe to call for one that has ended. If cancelled, it is killed at once and not
    waited for.
    """
    try:
        process.send_signal(signum)
        with trio.move_on_after(grace_s):
            await _gone(process)
    finally:
        if process.poll() is None:
            process.kill()
    await _gone(process)


async def _gone(process: subprocess.Popen[bytes]) -> None:
    await trio.lowlevel.checkpoint()
    while process.poll() is None:  # noqa: ASYNC110 - a Popen has no event to wait for
        await trio.sleep(POLL_S)
