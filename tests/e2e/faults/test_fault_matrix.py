"""Each fault of the matrix once; `python -m tests.e2e.faults` runs all phases."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from providers.rooms.murmurd import find_murmurd
from tests.e2e.faults.__main__ import PAGE
from tests.e2e.faults.matrix import run_matrix
from tests.e2e.faults.report import row_of
from tests.e2e.faults.table import FAULTS, PHASES, all_cells, some_cells

if TYPE_CHECKING:
    from pathlib import Path


async def test_the_agent_works_again_after_each_fault(tmp_path: Path) -> None:
    """What every cell asserts, docs/fault-matrix.md says."""
    if find_murmurd() is None or shutil.which("espeak-ng") is None:
        pytest.skip("needs murmurd and espeak-ng: apt-get install mumble-server")
    cells = some_cells()
    results = await run_matrix(cells, tmp_path / "findings.jsonl")
    assert results.errors == []
    found = results.last
    assert set(found) == set(cells)
    red = {cell.name: found[cell].problems for cell in cells if found[cell].problems}
    assert red == {}
    for before, after in results.descriptors:
        assert after <= before, "file descriptors were left open"


def test_all_phases_take_their_turn() -> None:
    """The cells that the test above runs are of all phases, and of every fault."""
    cells = some_cells()
    assert {cell.phase for cell in cells} == set(PHASES)
    assert {(cell.target, cell.fault) for cell in cells} == {
        (target, fault) for target in FAULTS for fault in FAULTS[target]
    }
    assert set(cells) <= set(all_cells())


def test_the_page_has_every_cell_and_no_red_one() -> None:
    """The last complete run found each cell green."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for target, faults in FAULTS.items():
        for fault in faults:
            cells = row_of(lines, target, fault)
            assert len(cells) == len(PHASES), f"{target}: {fault}"
            assert all(cells), f"{target}: {fault}"
            assert not any("RED" in cell or "never" in cell for cell in cells)
