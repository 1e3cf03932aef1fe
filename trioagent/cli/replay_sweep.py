"""`trioagent replay PATH… --sweep`: recorded turns, interrupted at every step."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import attrs

from trioagent.errors import ConfigError, TrioagentError
from trioagent.recording.reader import load
from trioagent.replay.pool import each
from trioagent.replay.settings import check_overrides, recorded_config
from trioagent.replay.sweep.sweep import Swept, Violation, sweep
from trioagent.visible import json_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

log = logging.getLogger(__name__)


def run(given: argparse.Namespace, recordings: Sequence[Path]) -> int:
    """Sweep them all; 1 if anything was left behind, or one cannot be used.

    Raises:
        ConfigError: the stride or the settings cannot be used with any recording.
    """
    if given.stride < 1:
        raise ConfigError(f"--stride {given.stride}: must be 1 or more")
    check_overrides(given.overrides)
    work = partial(
        sweep_recording, overrides=tuple(given.overrides), stride=given.stride
    )
    runs = turns = broken = unusable = 0
    for path, swept in each(work, recordings, jobs=given.jobs, what="sweeping"):
        if isinstance(swept, TrioagentError):
            log.error("%s", swept)
            unusable += 1
            continue
        runs += swept.runs
        turns += swept.turns
        broken += len(swept.violations)
        if given.json:
            print(json_line(_row(path, swept)))  # noqa: T201 - --json
        elif swept.violations:
            print(_told(path, swept.violations))  # noqa: T201 - what the user asked for
    if not given.json:
        cannot = f"; not usable: {_many(unusable, 'recording')}" if unusable else ""
        print(  # noqa: T201 - what the user asked for
            f"{_many(turns, 'turn')}, {_many(runs, 'interrupt')}: in {broken} of them "
            f"a rule was broken"
            f"{cannot}"
        )
    return 1 if broken or unusable else 0


def sweep_recording(path: Path, *, overrides: Sequence[str], stride: int) -> Swept:
    """Sweep what lies in this folder."""
    recording = load(path)
    return sweep(recording, recorded_config(recording, overrides), stride=stride)


def _row(path: Path, swept: Swept) -> dict[str, object]:
    first = swept.violations[0] if swept.violations else None
    return {
        "recording": str(path),
        "turns": swept.turns,
        "runs": swept.runs,
        "violations": len(swept.violations),
        "first": None if first is None else attrs.asdict(first),
    }


def _told(path: Path, violations: Sequence[Violation]) -> str:
    first = violations[0]
    when = (
        "not interrupted"
        if first.step is None
        else f"interrupted before its step {first.step}, of {first.task!r}"
    )
    lines = [f"{path}: turn {first.turn}, {when} (seed {first.seed}):"]
    lines += [f"  {broken}" for broken in first.broken]
    if more := len(violations) - 1:
        lines.append(f"  and {_many(more, 'more run')} of this recording")
    return "\n".join(lines)


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
