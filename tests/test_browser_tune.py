"""The page of `trioagent tune --html` in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import Browser, open_browser
from tests.helpers_what_if import holding, question, quick, record
from trioagent.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def test_the_settings_are_dots_to_choose_between(
    browser: Browser, tmp_path: Path
) -> None:
    record(tmp_path / "in", question, config=holding(900), prepare=quick)
    page = tmp_path / "page.html"
    tried = ["--range", "turn.hold_ms=400:800:200", "--jobs", "1"]
    assert main(["tune", str(tmp_path / "in"), *tried, "--html", str(page)]) == 0
    browser.open(page)
    browser.until("document.querySelectorAll('#curve .points path').length >= 3")
    hidden = "document.getElementById('curve').data"
    hidden += ".filter((t) => t.visible === 'legendonly').length"
    assert browser.run(hidden) == 0
    browser.one("#curve .legendtoggle").click()
    browser.until(f"{hidden} === 1")
    assert "turn.hold_ms=" in browser.one("#verdict").text
    browser.check()
