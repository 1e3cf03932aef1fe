"""Every language model, every requirement."""

from __future__ import annotations

import importlib
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.contract.llm_contract import demands

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from tests.contract.llm_case import Case


def cases() -> Iterator[Case]:
    """The cases of all modules here."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("cases_llm_"):
            yield from importlib.import_module(f"tests.contract.{module.name}").CASES


@pytest.fixture
def ready(case: Case) -> None:
    if reason := case.missing():
        pytest.skip(reason)


@pytest.mark.parametrize(
    ("case", "demand"),
    [
        pytest.param(case, demand, id=f"{case}: {name}")
        for case in cases()
        for name, demand in demands(case).items()
    ],
)
@pytest.mark.usefixtures("ready")
async def test_language_model(
    case: Case, demand: Callable[[Path], Awaitable[None]], tmp_path: Path
) -> None:
    await demand(tmp_path)
