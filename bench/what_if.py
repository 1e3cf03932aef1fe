"""How well a what-if predicts a real run under other settings.

    python -m bench.what_if [--turns 20] [--before turn.hold_ms=500]
        [--after turn.hold_ms=200] [--release voice|ptt|none] [--keep FOLDER]
        [--json]

Records the same sentences twice, by a real agent (embedded murmurd, the tiny
recognizer, echo, espeak) whom another process calls: once with the settings of
`--before`, once with those of `--after`. Then the first recordings are run under the
second settings on the virtual clock, and the other way round, and each prediction is
compared with what was measured. Exit status 1 if a median is off by more than 15 ms.

`error_ms` is the predicted median TTFA minus the measured one; `turn_error_ms` is the
same sentence by sentence, where both understood the same words.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

import attrs

from bench.agents import Row, conditions, quantiles, settings, with_settings
from bench.conversation import called, running_agent, sentences
from trioagent.recording.reader import find, load
from trioagent.replay.settings import recorded_config
from trioagent.replay.what_if.effects import Run, as_recorded, run_of
from trioagent.replay.what_if.parts import Known, what_if

GOAL_MS = 15.0


@attrs.frozen
class Recorded:
    """The recordings of one run, and the settings it had."""

    folder: Path
    overrides: tuple[str, ...]

    def measured(self) -> list[Run]:
        """As it was."""
        return [as_recorded(load(path)) for path in find([self.folder])]

    def predicted(self, overrides: tuple[str, ...]) -> list[Run]:
        """Under other settings, by the what-if."""
        runs = []
        for path in find([self.folder]):
            recording = load(path)
            config = recorded_config(recording, overrides)
            made = what_if(Known.of(recording), config)
            runs.append(run_of(recording, made))
        return runs


def record(
    folder: Path, overrides: tuple[str, ...], args: argparse.Namespace
) -> Recorded:
    """Let an agent with these settings be called, and record it."""
    folder.mkdir(parents=True)
    recordings = folder / "recordings"
    options = [*settings(folder, recording__folder=str(recordings)), *overrides]
    environ = {**os.environ, "XDG_STATE_HOME": str(folder)}
    given = with_settings([], options)
    with running_agent(given, environ):
        called(
            [*given, "--release", args.release],
            sentences(args.turns, long=False),
            environ,
        )
    return Recorded(recordings, overrides)


def compared(source: Recorded, target: Recorded) -> Row:
    """What the first recordings say of the second settings, and what was measured."""
    settings_of_target = target.overrides
    predicted = _ttfas(source.predicted(settings_of_target))
    measured = _ttfas(target.measured())
    # Of sentences that were said more than once, the last one.
    guesses, reals = dict(predicted), dict(measured)
    pairs = [guesses[said] - reals[said] for said in guesses if said in reals]
    middle = [median(ttfa for _, ttfa in those) for those in (predicted, measured)]
    return {
        "recorded_with": " ".join(source.overrides),
        "predicted_for": " ".join(settings_of_target),
        "recorded_ms": quantiles([ttfa for _, ttfa in _ttfas(source.measured())]),
        "predicted_ms": quantiles([ttfa for _, ttfa in predicted]),
        "measured_ms": quantiles([ttfa for _, ttfa in measured]),
        "error_ms": round(middle[0] - middle[1], 1),
        "turn_error_ms": quantiles(pairs),
        "cut_ins": sum(
            turn.cut_in
            for run in source.predicted(settings_of_target)
            for turn in run.turns
        ),
    }


def _ttfas(runs: list[Run]) -> list[tuple[str, float]]:
    """The words and the latency of each turn."""
    return [
        (turn.said, turn.ttfa_ms)
        for run in runs
        for turn in run.turns
        if turn.timed and turn.ttfa_ms is not None
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--turns", type=int, default=20, metavar="N")
    add("--before", action="append", metavar="KEY=VALUE")
    add("--after", action="append", metavar="KEY=VALUE")
    add("--release", choices=["voice", "ptt", "none"], default="voice")
    add("--keep", type=Path, metavar="FOLDER", help="a new one, for the recordings")
    add("--json", action="store_true")
    args = parser.parse_args()
    load_before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = args.keep or Path(name)
        before, after = (
            record(folder / which, tuple(overrides), args)
            for which, overrides in (
                ("before", args.before or ["turn.hold_ms=500"]),
                ("after", args.after or ["turn.hold_ms=200"]),
            )
        )
        rows = [compared(before, after), compared(after, before)]
    for row in rows:
        if args.json:
            print(json.dumps(row))
        else:
            print(*(f"{key}: {value}" for key, value in row.items()), "", sep="\n")
    print(json.dumps(conditions(load_before)))
    return 0 if all(abs(row["error_ms"]) <= GOAL_MS for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
