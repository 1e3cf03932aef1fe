"""`trioagent replay PATH… --set …`: what would other settings have changed?"""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from trioagent.errors import TrioagentError
from trioagent.recording.reader import load
from trioagent.replay.pool import each
from trioagent.replay.settings import check_overrides, recorded_config
from trioagent.replay.what_if.effects import Effects, Run, as_recorded, run_of, together
from trioagent.replay.what_if.parts import Known, what_if
from trioagent.visible import json_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger(__name__)

RUNS = ("recorded", "before", "after")
"""As it was; with the recorded settings in a what-if; with the changed ones."""


@attrs.frozen
class Result:
    """A recording's runs, in the order of `RUNS`."""

    runs: tuple[Run, Run, Run]
    warnings: tuple[str, ...]


def run(given: argparse.Namespace, recordings: Sequence[Path]) -> int:
    """Run them all under both settings; 1 if a recording cannot be used.

    Raises:
        ConfigError: the settings cannot be used with any recording.
    """
    check_overrides(given.overrides)
    work = partial(compare, overrides=tuple(given.overrides))
    results: list[Result] = []
    failed = 0
    for path, result in each(work, recordings, jobs=given.jobs, what="what if"):
        if isinstance(result, TrioagentError):
            log.error("%s", _named(path, result))
            failed += 1
            continue
        for warning in result.warnings:
            log.warning("%s: %s", path, warning)
        results.append(result)
        if given.json:
            _print_turns(path, result)
    if results:
        effects = [together(r.runs[i] for r in results) for i in range(len(RUNS))]
        _show(effects, given, len(results))
    return 1 if failed else 0


def compare(path: Path, overrides: Sequence[str]) -> Result:
    """Run one recording as it was set, and under the overrides.

    Raises:
        TrioagentError: it cannot be used.
    """
    recording = load(path)
    known = Known.of(recording)
    before, after = (
        run_of(recording, what_if(known, recorded_config(recording, changes)))
        for changes in ((), overrides)
    )
    return Result((as_recorded(recording), before, after), recording.warnings)


def _named(path: Path, error: TrioagentError) -> str:
    text = str(error)
    return text if str(path) in text else f"{path}: {text}"


def _print_turns(path: Path, result: Result) -> None:
    for name, one in zip(RUNS, result.runs, strict=True):
        for turn in one.turns:
            row = {"recording": str(path), "run": name, **attrs.asdict(turn)}
            print(json_line(row))  # noqa: T201 - --json


def _show(
    effects: Sequence[Effects], given: argparse.Namespace, recordings: int
) -> None:
    if not given.json:
        from trioagent.replay.what_if.table import show  # noqa: PLC0415 - loads rich

        show(effects, given.overrides, recordings)
        return
    for name, one in zip(RUNS, effects, strict=True):
        row: dict[str, Any] = {"recordings": recordings, "run": name}
        print(json_line(row | attrs.asdict(one)))  # noqa: T201 - --json
