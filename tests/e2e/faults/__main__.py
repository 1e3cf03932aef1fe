"""`python -m tests.e2e.faults`: all cells; writes docs/fault-matrix.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import trio

from tests.e2e.faults import report
from tests.e2e.faults.cell import BACK_S, OUTAGE_S
from tests.e2e.faults.matrix import AT_ONCE, PROCESSES, Results, run_matrix
from tests.e2e.faults.table import all_cells

PAGE = Path(__file__).parents[3] / "docs/fault-matrix.md"
# "turn on the light in the kitchen", as espeak-ng says it.
ASK_S = 1.7


def main() -> int:
    """Run what is asked for; 1 if a cell is red."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="names of cells that hold this")
    parser.add_argument("--at-once", type=int, default=AT_ONCE)
    parser.add_argument("--page", type=Path, default=None)
    parser.add_argument("--logs", type=Path, default=None)
    parser.add_argument(
        "--findings",
        type=Path,
        default=Path(tempfile.mkdtemp()) / "findings.jsonl",
        help="where findings are kept; cells that are green in it do not run again",
    )
    given = parser.parse_args()
    wanted = [cell for cell in all_cells() if given.only in cell.name]
    given.findings.touch()
    earlier = Results()
    earlier.read(given.findings)
    green = set(earlier.last) - earlier.red
    cells = [cell for cell in wanted if cell not in green]
    results = trio.run(run_matrix, cells, given.findings, given.at_once)
    text = report.page(
        results,
        report.conditions(given.at_once, PROCESSES),
        {"ask_s": ASK_S, "bound_s": BACK_S, "outage_s": OUTAGE_S},
    )
    path = given.page or (None if given.only else PAGE)
    if path is None:
        sys.stdout.write(text)
    else:
        path.write_text(text, encoding="utf-8")
    if given.logs is not None:
        given.logs.write_text("\n\n".join(results.logs), encoding="utf-8")
    sys.stderr.write("\n".join(results.errors))
    red = [finding for finding in results.last.values() if finding.problems]
    for finding in red:
        sys.stderr.write(f"{finding.cell.name}: {'; '.join(finding.problems)}\n")
    return int(bool(red or results.errors or set(wanted) - set(results.last)))


if __name__ == "__main__":
    sys.exit(main())
