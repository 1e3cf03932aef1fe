"""A headless browser for tests of pages: one per module, and it must not complain.

In a test module:

    @pytest.fixture(scope="module")
    def browser() -> Iterator[Browser]:
        with open_browser() as browser:
            yield browser
"""

from __future__ import annotations

import json
import shutil
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from selenium.webdriver.remote.webelement import WebElement

PATIENCE_S = 15.0
"""A page that needs longer hangs: this machine may be busy."""
LOCAL = ("file:", "data:", "blob:")
OPTIONS = (
    "--headless=new --no-sandbox --disable-gpu --disable-dev-shm-usage"
    " --window-size=1500,1200 --autoplay-policy=no-user-gesture-required"
    " --disable-component-update --disable-background-networking --mute-audio"
    " --no-first-run --use-fake-ui-for-media-stream"
).split()


@attrs.define(eq=False)
class Browser:
    """Chromium, with what a test asks of it."""

    driver: Any
    """A `WebDriver` of selenium, which may be missing."""

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a file, and forget what earlier pages said."""
        self.complaints()
        self.requests()
        # From another page: only another fragment would load nothing.
        self.driver.get("about:blank")
        self.driver.get(path.resolve().as_uri() + fragment)

    def run(self, script: str, *arguments: object) -> Any:
        """The value of a JavaScript expression; `arguments` are what comes after."""
        return self.driver.execute_script(f"return {script}", *arguments)

    def one(self, selector: str) -> WebElement:
        """The element that a CSS selector finds."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[WebElement]:
        """All the elements that a CSS selector finds."""
        return self.driver.find_elements("css selector", selector)

    def until(self, condition: str | Callable[[], object]) -> Any:
        """Wait for a JavaScript expression, or a function, to be true; its value."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            found = condition() if callable(condition) else self.run(condition)
            if found:
                return found
            assert time.monotonic() < deadline, condition
            time.sleep(0.03)

    def complaints(self) -> list[str]:
        """Errors and warnings on the console since the last call."""
        return [
            str(entry["message"])
            for entry in self.driver.get_log("browser")
            if entry["level"] in ("SEVERE", "WARNING")
        ]

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        logged = self.driver.get_log("performance")
        messages = [json.loads(entry["message"])["message"] for entry in logged]
        return [
            str(message["params"]["request"]["url"])
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def check(self) -> None:
        """The page has not complained, and needed nothing from elsewhere."""
        assert self.complaints() == []
        asked = self.requests()
        assert asked, "nothing was logged"
        assert [url for url in asked if not url.startswith(LOCAL)] == []


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Run a browser until the block ends; skip the test where there is none."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is missing")
    from selenium.webdriver.chrome.service import Service  # noqa: PLC0415 - as above

    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    chromedriver = shutil.which("chromedriver")
    if chromium is None or chromedriver is None:
        pytest.skip("no browser: apt install chromium chromium-driver")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for option in OPTIONS:
        options.add_argument(option)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    # The driver is named: Selenium would download one.
    driver = webdriver.Chrome(options=options, service=Service(chromedriver))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
