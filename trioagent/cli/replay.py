"""`trioagent replay PATH…`: recorded turns, run again."""

from __future__ import annotations

import importlib
import logging
from typing import TYPE_CHECKING

from trioagent.recording.reader import find_all

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

log = logging.getLogger(__name__)


def run(given: argparse.Namespace) -> int:
    """Run what was asked for; 1 if a turn was not as it should be, or unreadable."""
    found = find_all(given.paths)
    for error in found.errors:
        log.error("%s", error)
    if not found.recordings:
        return 2
    # Each needs something else that is slow to import.
    module = importlib.import_module(f"trioagent.cli.replay_{_mode(given)}")
    command: Callable[[argparse.Namespace, Sequence[Path]], int] = module.run
    return max(command(given, found.recordings), 1 if found.errors else 0)


def _mode(given: argparse.Namespace) -> str:
    if given.live:
        return "live"
    if given.sweep:
        return "sweep"
    if given.html:
        return "pages"
    return "what_if" if given.overrides else "again"
