"""`trioagent tune PATH…`: which settings would have answered sooner?"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from trioagent.errors import ConfigError
from trioagent.recording.reader import find_all
from trioagent.tuning.choice import Limits
from trioagent.tuning.ranges import read_ranges
from trioagent.tuning.report import Report
from trioagent.tuning.search import search
from trioagent.tuning.trial import AS_RECORDED, Trials
from trioagent.visible import json_line

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

log = logging.getLogger(__name__)


def run(given: argparse.Namespace) -> int:
    """Search; 1 if no setting is within the limits, or a recording cannot be used.

    Raises:
        ConfigError: what is asked for cannot be searched, or not be written.
    """
    _check(given)
    space = read_ranges(given.ranges)
    found = find_all(given.paths)
    for error in found.errors:
        log.error("%s", error)
    if not found.recordings:
        return 2
    keys = tuple(one.key for one in space.ranges)
    trials = Trials(list(found.recordings), keys, given.jobs)
    [recorded] = trials.run([AS_RECORDED])
    if recorded.ttfa is None:
        log.error("no recorded turn was answered aloud: there is nothing to compare")
        return 1
    limits = Limits(given.max_cut_ins, given.max_underruns, recorded.missed)
    report = Report(
        given.paths,
        len(trials.usable),
        space.ranges,
        limits,
        search(space, trials, recorded, limits, given.budget),
        trials.recorded(),
        trials.alike,
    )
    _tell(report, given)
    whole = report.satisfied and not trials.failed and not found.errors
    return 0 if whole else 1


def _check(given: argparse.Namespace) -> None:
    """Before any work is done."""
    if given.overrides:
        raise ConfigError(
            "tune searches what --range names and leaves the rest as recorded: it "
            "takes no --set",
            hint="a range of one value sets it: --range turn.early_start=off",
        )
    limits = {
        "--max-cut-ins": given.max_cut_ins,
        "--max-underruns": given.max_underruns,
    }
    for name, value in limits.items():
        if value < 0:
            raise ConfigError(f"{name} must be at least 0, is {value}")
    if given.budget < 1:
        raise ConfigError(f"--budget must be at least 1, is {given.budget}")
    for path in (given.write, given.html):
        if path is not None and not path.parent.is_dir():
            raise ConfigError(
                f"cannot write {path}: there is no folder {path.parent}",
                hint="give a file in a folder that exists",
            )


def _tell(report: Report, given: argparse.Namespace) -> None:
    if given.json:
        from trioagent.tuning.rows import rows  # noqa: PLC0415 - only for --json

        for row in rows(report):
            print(json_line(row))  # noqa: T201 - --json
    else:
        from trioagent.tuning.terminal import show  # noqa: PLC0415 - loads rich

        show(report)
    if given.html:
        from trioagent.tuning.page import render  # noqa: PLC0415 - loads plotly

        _write(given.html, render(report))
    if given.write and report.unchanged:
        log.info("%s is not written: there is nothing to change", given.write)
    elif given.write and report.satisfied:
        from trioagent.tuning.fragment import fragment  # noqa: PLC0415 - only here

        _write(given.write, fragment(report))


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise ConfigError(
            f"cannot write {path}: {error.strerror or error}",
            hint="give a file in a folder that exists",
        ) from error
    log.info("wrote %s", path)
