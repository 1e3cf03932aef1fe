"""The command line: `trioagent [COMMAND]`. One file per command.

Exit status: 0 done, 1 a check or the work failed, 2 wrong usage or configuration, 130
interrupted (Ctrl-C), but 0 where that is how one leaves.

Nothing that takes long is imported before `main`: Ctrl-C ends us quietly from there on.
"""

from __future__ import annotations

import importlib
import os
import signal
import sys
import threading
import traceback
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, NoReturn

from trioagent.errors import ConfigError, TrioagentError, own_errors
from trioagent.visible import visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Iterator, Sequence

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def entry() -> NoReturn:
    """Be the command's process: run it, and end.

    Where threads still run, Python does not end as it does otherwise: native libraries
    are torn down then, and one that loads a model meanwhile, or hangs, crashes.
    """
    try:
        with _quietly_interruptible():
            importlib.import_module("trioagent.one_heap").use_one_heap()
        status = main()
    except SystemExit as ending:  # argparse
        status = ending.code if isinstance(ending.code, int) else 0
    except BaseException:  # noqa: BLE001,ASYNC103 - it is told, and we end
        traceback.print_exc()
        status = FAILED
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if threading.active_count() > 1:
        os._exit(status)
    sys.exit(status)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status. What went wrong goes to stderr."""
    with _quietly_interruptible():
        given, command = _prepare(arguments)
    try:
        status: int = command(given)
    except (TrioagentError, BrokenPipeError, BaseExceptionGroup) as error:
        if _reader_left(error):
            return FAILED
        errors = own_errors(error)
        for one in errors:
            print(f"trioagent: {visible(str(one))}", file=sys.stderr)  # noqa: T201
        return USAGE if any(isinstance(e, ConfigError) for e in errors) else FAILED
    except KeyboardInterrupt:  # before the event loop took over the signal
        return INTERRUPTED
    return status


def _prepare(
    arguments: Sequence[str] | None,
) -> tuple[argparse.Namespace, Callable[[argparse.Namespace], int]]:
    """What was typed, and what does it; the log is set up."""
    # These three import half of the standard library.
    logging = importlib.import_module("logging")
    typed = importlib.import_module("trioagent.cli.arguments")
    logs = importlib.import_module("trioagent.supervision.logs")
    given = typed.parser().parse_args(arguments)
    logs.set_up_log(level=given.log_level.upper())
    # They tell of every request: whole addresses, and what headers hold.
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return given, importlib.import_module(given.command).run


@contextmanager
def _quietly_interruptible() -> Iterator[None]:
    """Ctrl-C ends the process at once in here, with its status and no traceback.

    An exception in the midst of an import may be taken for a failure of that.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # ignored, or somebody else's business
        return
    try:
        signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def _reader_left(error: BaseException) -> bool:
    """Whether it is only that nobody reads our output any more, as in `… | head -1`."""
    group = BaseExceptionGroup("what happened", [error])
    if group.split(BrokenPipeError)[1] is not None:
        return False
    # What is left to be written must not fail again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
