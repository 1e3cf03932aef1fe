"""Runs cells: many at once in one process, and some processes beside each other."""

from __future__ import annotations

import gc
import json
import logging
import math
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from tests.e2e.faults.cell import run_cell
from tests.e2e.faults.remains import open_descriptors
from tests.e2e.faults.stage import Stage, open_stage
from tests.e2e.faults.table import Cell, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

AT_ONCE = 6
# A limit on files, and the wall clock, are the whole process's.
ALONE = "machine"
PROCESSES = 2


async def run_here(
    cells: Sequence[Cell], at_once: int, tell: Callable[[Finding], None]
) -> None:
    """Run cells in this process, so many at a time; tell of each when it is done."""
    limit = trio.CapacityLimiter(at_once)
    with tempfile.TemporaryDirectory(prefix="trioagent-faults-") as folder:
        async with (
            open_stage(Path(folder), cells) as stage,
            trio.open_nursery() as nursery,
        ):
            for number, cell in enumerate(cells):
                run = partial(_run_one, cell, stage, number, limit, tell)
                nursery.start_soon(run, name=cell.name)


async def _run_one(
    cell: Cell,
    stage: Stage,
    number: int,
    limit: trio.CapacityLimiter,
    tell: Callable[[Finding], None],
) -> None:
    async with limit:
        try:
            finding = await run_cell(cell, stage, number)
        except Exception as error:  # a red cell, and the others go on
            logging.getLogger(__name__).exception("%s", cell.name)
            finding = Finding(cell, "", math.inf, problems=(repr(error),))
        tell(finding)


def work(cells: Sequence[Cell], at_once: int, path: str) -> None:
    """Run cells in this process; append a line of JSON for each, and one at the end."""
    keep = partial(_append, Path(path))

    def tell(finding: Finding) -> None:
        keep(attrs.asdict(finding))

    before = open_descriptors()
    trio.run(run_here, cells, at_once, tell)
    gc.collect()
    counted = {"before": before, "after": open_descriptors()}
    keep(counted)


def _append(path: Path, row: dict[str, object]) -> None:
    """In one write: several processes append to the file."""
    line = json.dumps(row) + "\n"
    with path.open("ab", buffering=0) as file:
        file.write(line.encode())


@attrs.define(eq=False)
class Results:
    """What the processes found.

    Attributes:
        errors: How processes ended that did not end well.
        logs: What each process logged.
        descriptors: File descriptors of each process before and after all its cells.
    """

    findings: list[Finding] = attrs.Factory(list)
    descriptors: list[tuple[int, int]] = attrs.Factory(list)
    errors: list[str] = attrs.Factory(list)
    logs: list[str] = attrs.Factory(list)

    def take(self, line: str) -> None:
        """Take a line of `work`."""
        row = json.loads(line)
        if "cell" not in row:
            self.descriptors.append((row["before"], row["after"]))
            return
        self.findings.append(
            Finding(
                Cell(**row["cell"]),
                row["heard"],
                row["back_s"],
                tuple(row["outcomes"]),
                tuple(row["problems"]),
            )
        )

    def read(self, path: Path) -> None:
        """Take what a file of findings holds; of one cell, the last."""
        for line in path.read_text(encoding="utf-8").splitlines():
            self.take(line)

    @property
    def red(self) -> set[Cell]:
        """The cells that were red when they ran last, or did not come to an end."""
        return {cell for cell, found in self.last.items() if found.problems}

    @property
    def last(self) -> dict[Cell, Finding]:
        """What each cell came to when it ran last."""
        return {finding.cell: finding for finding in self.findings}


async def run_matrix(
    cells: Sequence[Cell], path: Path, at_once: int = AT_ONCE
) -> Results:
    """Run cells, and those that are red again, with little beside them.

    Speech is real time: on a machine that is too busy people are not understood, and
    replies come in pieces. What is red because of a fault is red again.
    """
    results = await run_cells(cells, path, at_once)
    again = [cell for cell in cells if cell in results.red]
    return await run_cells(again, path, 1) if again else results


async def run_cells(cells: Sequence[Cell], path: Path, at_once: int) -> Results:
    """Run cells in processes of their own; findings are appended to the file."""
    results = Results()
    alone = [cell for cell in cells if cell.target == ALONE]
    others = [cell for cell in cells if cell.target != ALONE]
    shares = [others[number::PROCESSES] for number in range(PROCESSES)]
    async with trio.open_nursery() as nursery:
        for share in filter(None, shares):
            nursery.start_soon(_run_share, share, at_once, path, results)
        if alone:
            nursery.start_soon(_run_share, alone, 1, path, results)
    results.read(path)
    return results


async def _run_share(
    cells: Sequence[Cell], at_once: int, path: Path, results: Results
) -> None:
    names = json.dumps([attrs.astuple(cell) for cell in cells])
    worker = ("tests.e2e.faults.worker", str(at_once), names, str(path))
    done = await trio.run_process(
        [sys.executable, "-m", *worker], capture_stderr=True, check=False
    )
    log = done.stderr.decode(errors="replace")
    if done.returncode:
        results.errors.append(f"status {done.returncode}: {log[-4000:]}")
    results.logs.append(log)
