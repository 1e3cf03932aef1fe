"""The page that a run of the matrix writes."""

from __future__ import annotations

import math
import os
import platform
from typing import TYPE_CHECKING

import trio

from tests.e2e.faults.table import FAULTS, PHASES, TITLES, Cell

if TYPE_CHECKING:
    from tests.e2e.faults.matrix import Results
    from tests.e2e.faults.table import Finding, Target

INTRODUCTION = """\
# The fault matrix

Each fault comes in each phase of a turn: while the agent is *idle*, while the *user is
speaking*, while the agent is *thinking* (the words are final, nothing sounds yet), and
while it is *speaking*. `python -m tests.e2e.faults` wrote this page.

A cell says what the user heard of the turn in which the fault came, and how many
seconds passed from the end of the fault to the first sound of the right answer to the
next question. To ask it takes {ask_s:.1f} s of them, and silence that ends a turn half
a second. In "idle" the question is asked after the fault came; in "idle" of the Mumble
server nobody can ask. A cell is green only if, besides,

- the agent answered again within {bound_s:g} s, and went on running;
- its history holds what was said before and after the fault, and of the reply what was
  heard, and the language model was shown just that;
- it left behind no task, no socket and no process;
- nothing in its log is a traceback.

"the reply, then apology": the rest of the reply did not come, and the user was told.
"""

FAULT_NOTES = """\
## What the faults are

- **refused**: nobody listens at the port, and open connections are reset.
- **reset**: open connections are reset (RST), and new ones when they are used.
- **black hole**: connections are taken, and nothing passes any more.
- **slow**: 128 bytes a second: of a language model, a word every second.
- **garbage**: random bytes in place of the server's.
- **half-close**: the server's side has ended (FIN), the other one stays open.
- **400** … **503**: the server's HTTP status; 429 with `Retry-After`.
- **name gone**: connections are reset, and the host name does not resolve any more.
- **killed**: SIGKILL; a server is started again on its port when the fault ends. The
  recognizer's own process is started again by the agent.
- **stopped**: SIGSTOP, and SIGCONT when the fault ends; the recognizer's own process
  gets no SIGCONT.
- **disk full**: no file can grow (RLIMIT_FSIZE), with a recording and `latency.jsonl`.
- **clock back**, **clock forward**: the wall clock of the process jumps by a day.

The fault ends when its turn has; on the way to the Mumble server, after {outage_s:g} s.
"""


def page(results: Results, conditions: str, bounds: dict[str, float]) -> str:
    """The whole page, in Markdown."""
    found = results.last
    parts = [INTRODUCTION.format(**bounds), conditions]
    parts += [_table(target, found) for target in FAULTS]
    parts.append(_sums(results))
    if red := [x for x in results.findings if x.problems]:
        parts.append(_problems(red))
    parts.append(FAULT_NOTES.format(**bounds))
    return "\n".join(parts)


def conditions(at_once: int, processes: int) -> str:
    """Where and how it ran."""
    return f"""\
## Conditions

Python {platform.python_version()}, Trio {trio.__version__}, {os.cpu_count()} cores;
{processes} processes with {at_once} agents each at a time, one agent at a time for the
faults of the machine. Real parts: murmurd, the tiny recognizer of the tests (in the
agent's process, in its own, or behind `trioagent serve`), a language model's server
over HTTP, espeak-ng, and a caller in the same channel. Patience is set short: see
`tests/e2e/faults/scene.py`.
"""


def _table(target: Target, found: dict[Cell, Finding]) -> str:
    rows = [f"## {TITLES[target]}", "", "| | " + " | ".join(PHASES) + " |"]
    rows.append("|---" * (len(PHASES) + 1) + "|")
    for fault in FAULTS[target]:
        cells = [_told(found.get(Cell(target, fault, phase))) for phase in PHASES]
        rows.append(f"| {fault} | " + " | ".join(cells) + " |")
    return "\n".join([*rows, ""])


def _told(finding: Finding | None) -> str:
    if finding is None:
        return ""
    back = "never" if math.isinf(finding.back_s) else f"{finding.back_s:.1f} s"
    red = "**RED** " if finding.problems else ""
    return f"{red}{finding.heard}; {back}"


def _sums(results: Results) -> str:
    last = results.last.values()
    green = sum(not finding.problems for finding in last)
    lines = ["## Sums", "", f"{green} of {len(last)} cells are green."]
    lines += [
        f"A process had {before} file descriptors before its cells, {after} after them."
        for before, after in results.descriptors
    ]
    return "\n".join([*lines, ""])


def _problems(red: list[Finding]) -> str:
    lines = ["## Runs of cells that were red", ""]
    lines += ["A red cell runs once more, by itself; the tables show the last run.", ""]
    lines += [f"- {x.cell.name}: {'; '.join(x.problems)}" for x in red]
    return "\n".join([*lines, ""])


def row_of(lines: list[str], target: Target, fault: str) -> list[str]:
    """The cells of a fault on a page; none if it has no such row."""
    if f"## {TITLES[target]}" not in lines:
        return []
    for line in lines[lines.index(f"## {TITLES[target]}") + 1 :]:
        if line.startswith("## "):
            break
        if line.startswith(f"| {fault} |"):
            return [cell.strip() for cell in line.split("|")[2:-1]]
    return []
