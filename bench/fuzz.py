"""Millions of broken inputs for every parser that eats bytes from outside.

    python -m bench.fuzz                          a million for each, in ten minutes
    python -m bench.fuzz --parser mumble.control --inputs 5000000
    python -m bench.fuzz --large                  a megabyte of each kind instead
    python -m bench.fuzz --out FILE               a line of JSON for each into FILE
    python -m bench.fuzz --table FILE             such a file as a table
    python -m bench.fuzz --crash NAME HEX         one input again, with its traceback

Exit status 1: a parser raised what it does not document, took longer than a second for
one input, or allocated out of proportion. See docs/fuzzing.md.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.fuzzing.all_targets import TARGETS
from tests.fuzzing.large import large_inputs
from tests.fuzzing.running import Outcome, fuzz, material_of, one

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.fuzzing.target import Target

_LARGE_BYTES = 1_000_000


def main(words: Sequence[str] | None = None) -> int:
    """Run what the command line says; its exit status."""
    given = _arguments().parse_args(words)
    if given.table:
        sys.stdout.write(table(given.table.read_text(encoding="utf-8").splitlines()))
        return 0
    if given.crash:
        name, digits = given.crash
        TARGETS[name].gives(bytes.fromhex(digits))
        return 0
    _silence()
    crashed = False
    for name in given.parser or TARGETS:
        outcome = _outcome(TARGETS[name], given)
        crashed |= bool(outcome.crashes)
        _tell(outcome, given)
    return int(crashed)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    add = parser.add_argument
    add("--parser", action="append", choices=TARGETS, help="only this one; repeatable")
    add("--inputs", type=int, default=1_000_000, help="for each parser")
    add("--seconds", type=float, default=600.0, help="of the processor, for each")
    add("--seed", type=int, default=None, help="of the inputs; default: by the clock")
    add("--large", action="store_true", help="inputs of a megabyte instead")
    add("--json", action="store_true", help="print lines of JSON")
    add("--out", type=Path, help="append lines of JSON to this file")
    add("--table", type=Path, help="print a file of such lines as a table, and end")
    add("--crash", nargs=2, metavar=("NAME", "HEX"), help="one input again")
    return parser


def _outcome(target: Target, given: argparse.Namespace) -> Outcome:
    if not given.large:
        seed = time.time_ns() if given.seed is None else given.seed
        return fuzz(target, inputs=given.inputs, seconds=given.seconds, seed=seed)
    outcome, start = Outcome(target.name), time.process_time()
    with target.ready() as gives:
        for _, data in large_inputs(material_of(target), _LARGE_BYTES):
            one(gives, data, outcome)
    outcome.seconds = time.process_time() - start
    return outcome


def _silence() -> None:
    """No log, and nothing from libraries in C, for each of a million inputs."""
    logging.disable()
    ours = os.dup(2)
    with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - a device
        os.dup2(nowhere.fileno(), 2)
    sys.stderr = os.fdopen(ours, "w")


def _tell(outcome: Outcome, given: argparse.Namespace) -> None:
    line = json.dumps(outcome.as_line())
    if given.out:
        with given.out.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
    if given.json:
        sys.stdout.write(line + "\n")
    else:
        sys.stdout.write("".join(_row(outcome.as_line())))
        for where, digits in outcome.crashes.items():
            sys.stdout.write(f"    {where}\n        {digits}\n")
    sys.stdout.flush()


def table(lines: Sequence[str]) -> str:
    """Lines of JSON as Markdown; of several for one parser, the last."""
    found = {
        result["parser"]: result for result in map(json.loads, filter(None, lines))
    }
    inputs = sum(result["inputs"] for result in found.values())
    crashed = [name for name, result in found.items() if result["crashes"]]
    said = (
        f"{len(crashed)} crashed: {', '.join(crashed)}" if crashed else "none crashed"
    )
    return (
        "| parser | inputs | per second | accepted | slowest | peak | RSS growth |\n"
        "|---|---:|---:|---:|---:|---:|---:|\n"
        + "".join(map(_row, found.values()))
        + f"\n{len(found)} parsers, {inputs:,} inputs, {said}.\n"
    )


def _row(result: dict[str, Any]) -> str:
    accepted = result["errors_by_type"].get("ok", 0) / max(1, result["inputs"])
    cells = (
        *(f"`{result['parser']}`", f"{result['inputs']:,}", f"{result['per_s']:,}"),
        *(f"{accepted:.0%}", f"{result['slowest_ms']:.0f} ms"),
        f"{result['largest_peak_mb']:.1f} MB",
        f"{result['rss_growth_mb']:+.1f} MB",
    )
    return f"| {' | '.join(cells)} |\n"


if __name__ == "__main__":
    sys.exit(main())
