"""Every synthesizer against every requirement of `tts_contract`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contract.tts_contract import CONTRACT

if TYPE_CHECKING:
    from tests.contract.tts_contract import Case, Requirement


def all_cases() -> list[Case]:
    modules = sorted(Path(__file__).parent.glob("cases_tts_*.py"))
    assert modules
    found: list[Case] = []
    for module in modules:
        found += import_module(f"tests.contract.{module.stem}").CASES
    return found


@pytest.mark.parametrize(
    "case",
    [
        # A skip inside an asynchronous test would lose its reason.
        pytest.param(case, marks=[pytest.mark.skip(case.skip)] if case.skip else [])
        for case in all_cases()
    ],
    ids=lambda case: case.name,
)
@pytest.mark.parametrize("requirement", CONTRACT, ids=lambda r: r.__name__)
async def test_contract(case: Case, requirement: Requirement, tmp_path: Path) -> None:
    await requirement(case, tmp_path)
