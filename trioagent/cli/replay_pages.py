"""`trioagent replay PATH… --html FOLDER`: recordings as pages for a browser."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from trioagent.errors import TrioagentError
from trioagent.pages import folder as pages
from trioagent.replay.pool import each

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger("trioagent.replay")


def run(given: argparse.Namespace, recordings: Sequence[Path]) -> int:
    """Write the pages; 1 if there is a recording without one.

    Raises:
        PageError: the folder cannot be written to.
    """
    pages.prepare(given.html)
    listed: list[pages.Listed] = []
    work = partial(pages.write_page, folder=given.html)
    items = list(pages.names(recordings).items())
    for _, result in each(work, items, jobs=given.jobs, what="drawing recordings"):
        if isinstance(result, TrioagentError):
            log.error("%s", result)
        else:
            listed.append(result)
    index = pages.write_index(given.html, listed)
    log.info("wrote %s", index)
    return 0 if len(listed) == len(recordings) else 1
