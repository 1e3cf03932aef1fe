"""The page of `trioagent latency --html` in a real browser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser import Browser, open_browser
from tests.helpers_latency import conversation, older, write
from trioagent.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.helpers_latency import Line

SHOWN = (
    "[...new Set(document.getElementById('histogram').data"
    ".filter((t) => t.visible === true).map((t) => t.meta))].join()"
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


def opened(browser: Browser, tmp_path: Path, *files: list[Line]) -> None:
    paths = [write(tmp_path / f"{i}.jsonl", lines) for i, lines in enumerate(files)]
    target = tmp_path / "page.html"
    more = ["--compare"] if len(files) > 1 else []
    command = ["latency", *map(str, paths), "--html", str(target), "--json", *more]
    assert main(command) == 0
    browser.open(target)
    browser.until("document.querySelectorAll('#histogram .main-svg').length > 0")


def choose(browser: Browser, select: str, value: str) -> None:
    browser.one(f"#{select} option[value='{value}']").click()


def test_every_metric_can_be_looked_at(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, conversation(40, 1), conversation(30, 2))
    options = browser.all("#metric-select option")
    assert len(options) > 10
    for option in options:
        key = str(option.get_attribute("value"))
        choose(browser, "metric-select", key)
        browser.until(f"{SHOWN} === '{key}'")
        assert browser.one("#metric-meaning").text.startswith(f"{key}:")
        drawn = "document.querySelectorAll('#histogram .bars .point').length > 0"
        browser.until(drawn)
    browser.check()


def test_the_turns_can_be_sorted(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, conversation(40, 1))
    order = "document.getElementById('ledger')._fullLayout.xaxis._categories"
    by_time = browser.run(order)
    choose(browser, "ledger-sort", "total descending")
    slowest_first = browser.until(f"{order}[0] !== '{by_time[0]}' && {order}")
    assert sorted(slowest_first) == sorted(by_time)
    total = (
        "document.getElementById('ledger').data.find((t) => t.name === 'total TTFA')"
    )
    names, values = browser.run(f"{total}.x"), browser.run(f"{total}.y")
    slowest = max(zip(values, names, strict=True))[1]
    assert slowest_first[0] == slowest
    choose(browser, "ledger-sort", "trace")
    browser.until(f"{order}[0] === '{by_time[0]}'")
    browser.check()


def test_a_wait_can_be_left_out(browser: Browser, tmp_path: Path) -> None:
    opened(browser, tmp_path, conversation(40, 1))
    hidden = "document.getElementById('ledger').data"
    hidden += ".filter((t) => t.visible === 'legendonly').length"
    assert browser.run(hidden) == 0
    browser.one("#ledger .legendtoggle").click()
    browser.until(f"{hidden} === 1")
    browser.check()


def test_older_files_have_a_page_without_ledgers(
    browser: Browser, tmp_path: Path
) -> None:
    opened(browser, tmp_path, [older(n) for n in range(12)])
    assert browser.one("#no-ledger").is_displayed()
    choose(browser, "metric-select", "asr_ms")
    browser.until(f"{SHOWN} === 'asr_ms'")
    browser.check()
