"""`make bench`: runs the benches one after the other, and writes down what they print.

    python -m bench [NAME ...] [--quick]

The tables between the markers in docs/benchmarks.md are replaced, each for the benches
that were run. It takes about an hour on two idle cores; `--quick` tries everything out
in some minutes, and writes nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import attrs

PAGE = Path(__file__).parents[1] / "docs/benchmarks.md"

Row = dict[str, Any]


@attrs.frozen
class Bench:
    """A command, and what its table is called."""

    name: str
    title: str
    arguments: tuple[str, ...] = ()
    quick: tuple[str, ...] = ()

    def command(self, *, quick: bool) -> list[str]:
        """What to run, after "python"."""
        module, _, _ = self.name.partition(":")
        chosen = self.quick if quick else self.arguments
        return ["-m", f"bench.{module}", *chosen, "--json"]


BENCHES = (
    Bench("ttfa", "Time to first audio", quick=("--turns", "2")),
    Bench(
        "barge_in_scripted",
        "Interruptions on the scripted work",
        quick=("--turns", "2"),
    ),
    Bench(
        "sessions",
        "One and twenty conversations in a process",
        ("--sessions", "1", "20", "--turns", "12"),
        ("--sessions", "1", "--turns", "1"),
    ),
    Bench(
        "sessions:vad",
        "One conversation, with silero",
        ("--sessions", "1", "--turns", "12", "--vad", "silero"),
        ("--sessions", "1", "--turns", "1", "--vad", "silero"),
    ),
    Bench("drafts", "What eager drafts cost and gain", quick=("--turns", "1")),
    Bench("agents_at_once", "Many agents in one process", quick=("--agents", "2")),
    Bench("starting", "From the command to listening", quick=("--rounds", "1")),
    Bench(
        "barge_in",
        "Interruptions, heard by a client of murmurd",
        ("--rounds", "3", "--coughs", "6"),
        quick=("--rounds", "0", "--coughs", "1"),
    ),
    Bench("serve", "A recognizer in another process", quick=("--rounds", "1")),
    Bench(
        "room",
        "Fifty clients, of which twenty talk",
        quick="--clients 4 --talkers 2 --seconds 10 --quiet 10".split(),
    ),
    Bench("replay", "Recordings run again", quick=("--rounds", "1")),
)


def markers(name: str) -> tuple[str, str]:
    """What stands before and after a bench's table."""
    return f"<!-- bench: {name} -->", f"<!-- end: {name} -->"


def run(bench: Bench, *, quick: bool) -> list[Row]:
    """The rows that it prints.

    Raises:
        CalledProcessError: it failed; its own words are on stderr.
    """
    command = [sys.executable, *bench.command(quick=quick)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def table(bench: Bench, rows: list[Row]) -> str:
    """Markdown: the title, the command, a table of the rows, and the conditions."""
    *measured, conditions = rows
    lines = [f"## {bench.title}", "", f"    python {_shown(bench)}", ""]
    columns = list(dict.fromkeys(key for row in measured for key in row))
    lines += [_line(columns), _line(["---"] * len(columns))]
    lines += [_line([_cell(row.get(key, "")) for key in columns]) for row in measured]
    lines += ["", "; ".join(f"{key} {value}" for key, value in conditions.items()), ""]
    return "\n".join(lines)


def _shown(bench: Bench) -> str:
    return " ".join(bench.command(quick=False)).removesuffix(" --json")


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    if "p50" not in value:
        return "; ".join(f"{key} {inner}" for key, inner in value.items())
    shown = " / ".join(
        str(value[key]) for key in ("p50", "p95", "p99", "max") if key in value
    )
    return f"{shown} of {value['count']}" if "count" in value else shown


def write_down(bench: Bench, text: str) -> None:
    """Replace the bench's table in the page."""
    before, after = markers(bench.name)
    page = PAGE.read_text(encoding="utf-8")
    if before not in page:
        page = f"{page.rstrip()}\n\n{before}\n{after}\n"
    start, end = page.index(before) + len(before), page.index(after)
    PAGE.write_text(f"{page[:start]}\n{text}{page[end:]}", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="only these")
    parser.add_argument("--quick", action="store_true")
    args = parser.parse_args()
    unknown = set(args.names) - {bench.name for bench in BENCHES}
    if unknown:
        parser.error(f"no such bench: {', '.join(sorted(unknown))}")
    for bench in BENCHES:
        if args.names and bench.name not in args.names:
            continue
        text = table(bench, run(bench, quick=args.quick))
        print(text, flush=True)
        if not args.quick:
            write_down(bench, text)


if __name__ == "__main__":
    main()
