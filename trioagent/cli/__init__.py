"""The command line: `trioagent [COMMAND]`. One file per command.

Exit status: 0 done, 1 a check or the work failed, 2 wrong usage or configuration.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

from trioagent.cli.arguments import parser
from trioagent.errors import ConfigError, TrioagentError, own_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

FAILED = 1
USAGE = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; return the exit status. What went wrong goes to stderr."""
    given = parser().parse_args(arguments)
    logging.basicConfig(
        stream=sys.stderr,
        level=given.log_level.upper(),
        format="%(asctime)s.%(msecs)03d %(levelname)-7s %(name)s: %(message)s",
        datefmt="%H:%M:%S",
    )
    # It tells of every request, and its lines hold whole addresses.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        status: int = given.command(given)
    except (TrioagentError, BrokenPipeError, BaseExceptionGroup) as error:
        if _reader_left(error):
            return FAILED
        errors = own_errors(error)
        for one in errors:
            print(f"trioagent: {one}", file=sys.stderr)  # noqa: T201 - the answer
        return USAGE if any(isinstance(e, ConfigError) for e in errors) else FAILED
    except KeyboardInterrupt:  # before the event loop took over the signal
        return INTERRUPTED
    return status


def _reader_left(error: BaseException) -> bool:
    """Whether it is only that nobody reads our output any more, as in `… | head -1`."""
    group = BaseExceptionGroup("what happened", [error])
    if group.split(BrokenPipeError)[1] is not None:
        return False
    # What is left to be written must not fail again when Python ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return True
