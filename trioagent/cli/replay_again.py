"""`trioagent replay PATH…`: do recorded turns go as they went?"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from trioagent.errors import TrioagentError
from trioagent.recording.reader import load
from trioagent.replay.again import again
from trioagent.replay.compare import TurnResult, compare
from trioagent.replay.pool import each
from trioagent.replay.settings import recorded_config
from trioagent.visible import json_line, visible

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from trioagent.journal.events import Event

# Where two tasks were ready at the same moment, nobody knows who went first; so a
# recording may take a few tries.
SEEDS = range(16)

log = logging.getLogger(__name__)


@attrs.frozen
class Result:
    """A recording, run again."""

    turns: tuple[TurnResult, ...]
    seed: int
    warnings: tuple[str, ...]


def run(given: argparse.Namespace, recordings: Sequence[Path]) -> int:
    """Run them all; 1 if one of their turns went another way, or cannot be run."""
    good = turns = failed = 0
    results = each(run_again, recordings, jobs=given.jobs, what="replaying")
    for path, result in results:
        if isinstance(result, TrioagentError):
            log.error("%s", result)
            failed += 1
            continue
        for warning in result.warnings:
            log.warning("%s: %s", path, warning)
        for turn in result.turns:
            turns += 1
            good += turn.identical
            _print(path, result.seed, turn, as_json=given.json)
    if not given.json:
        unusable = f", {failed} recordings cannot be used" if failed else ""
        print(f"{good} of {turns} turns identical{unusable}")  # noqa: T201 - asked for
    return 0 if good == turns and not failed else 1


def run_again(path: Path) -> Result:
    """Run a recording until it goes as it went, or no seed is left."""
    recording = load(path)
    config = recorded_config(recording)
    first: Result | None = None
    for seed in SEEDS:
        turns = tuple(compare(recording, again(recording, config, seed)))
        result = Result(turns, seed, recording.warnings)
        if all(turn.identical for turn in turns):
            return result
        first = first or result
    return first or Result((), 0, recording.warnings)


def _print(path: Path, seed: int, turn: TurnResult, *, as_json: bool) -> None:
    if as_json:
        row = {
            "recording": str(path),
            "turn": turn.turn,
            "speaker": turn.speaker,
            "identical": turn.identical,
            "events": turn.events,
            "furthest_ms": round(turn.furthest_s * 1000, 3),
            "seed": seed,
            "difference": attrs.asdict(turn.difference) if turn.difference else None,
        }
        print(json_line(row))  # noqa: T201 - --json
        return
    difference = turn.difference
    if difference is None:
        return
    lines = [f"{path}: turn {turn.turn} ({turn.speaker}): {difference.what}"]
    lines += [f"      {_shown(event)}" for event in difference.before]
    lines.append(f"  then {_shown(difference.recorded)}")
    lines.append(f"  now  {_shown(difference.now)}")
    print(visible("\n".join(lines)))  # noqa: T201 - what the user asked for


def _shown(event: Event | None) -> str:
    if event is None:
        return "nothing"
    data = " ".join(f"{key}={value!r}" for key, value in event.data.items())
    return f"{event.t:9.4f} s {event.name} {data}".rstrip()
