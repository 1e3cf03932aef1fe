"""Every recognizer, every requirement."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contract.asr_contract import Case, Requirement, Sample, requirements

if TYPE_CHECKING:
    from collections.abc import Iterator


def cases() -> Iterator[Case]:
    """The cases of all modules here."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("cases_asr_"):
            yield from importlib.import_module(f"tests.contract.{module.name}").CASES


@pytest.fixture
def spoken(case: Case) -> tuple[Sample, Sample]:
    """Skips here: pytest-trio loses the reason of who skips in an async test."""
    return case.samples()


@pytest.mark.parametrize(
    ("case", "requirement"),
    [
        pytest.param(case, requirement, id=f"{case}: {requirement.__name__}")
        for case in cases()
        for requirement in requirements(case)
    ],
)
async def test_recognizer(
    case: Case, requirement: Requirement, spoken: tuple[Sample, Sample], tmp_path: Path
) -> None:
    one, other = spoken
    async with case.open(tmp_path) as recognizer:
        await requirement(recognizer, one, other)
