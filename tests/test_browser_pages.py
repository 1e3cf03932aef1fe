"""The pages of recordings in a real browser: drawn, heard, and clicked through."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest

from tests.browser import Browser, open_browser
from tests.fakes import ANA
from tests.helpers_pages import HOSTILE, barge_in, by, record, unanswered
from trioagent.cli import main
from trioagent.recording.reader import load

if TYPE_CHECKING:
    from collections.abc import Iterator

RANGE = "document.getElementById('plot').layout.xaxis.range"
CURSOR = "Number(document.getElementById('cursor').dataset.t)"
CURSOR_PX = (
    "document.getElementById('cursor').getBoundingClientRect().left"
    " - document.getElementById('over').getBoundingClientRect().left"
)
CLOSE_PX = 2.5


@attrs.frozen
class Site:
    """A folder of pages, and the recordings they were made from."""

    folder: Path
    recordings: dict[str, Path]

    def page(self, name: str) -> Path:
        return self.folder / f"{self.recordings[name].name}.html"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    parent = tmp_path_factory.mktemp("recordings")
    mallory = attrs.evolve(ANA, name=HOSTILE)
    made = {
        "barge-in": record(parent / "a", barge_in),
        "silent": record(parent / "b", unanswered),
        "cut": record(parent / "c", barge_in, cut=0.7),
        "hostile": record(parent / "d", by(mallory, HOSTILE), who=mallory),
    }
    found = {name: path.rename(parent / name) for name, path in made.items()}
    folder = parent / "pages"
    command = [
        "replay",
        *map(str, found.values()),
        "--html",
        str(folder),
        "--jobs",
        "1",
    ]
    assert main(command) == 0
    return Site(folder, found)


def opened(browser: Browser, site: Site, name: str, fragment: str = "") -> None:
    browser.open(site.page(name), fragment)
    browser.until("document.body.dataset.ready === 'yes'")
    browser.until("document.getElementById('audio').readyState >= 1")


def seek(browser: Browser, seconds: float) -> None:
    browser.run("document.getElementById('audio').currentTime = arguments[0]", seconds)
    browser.until("!document.getElementById('audio').seeking")


def expected_px(browser: Browser, t: float) -> float:
    start, end = browser.run(RANGE)
    width = browser.run("document.getElementById('over').clientWidth")
    return float((t - start) / (end - start) * width)


def point_at(browser: Browser, event: str) -> None:
    """Move the mouse to where an event is drawn among the moments."""
    from selenium.webdriver.common.action_chains import ActionChains  # noqa: PLC0415 - absent without a browser

    t = float(browser.one(f"#events [data-event={event}]").get_attribute("data-t"))
    left_px = expected_px(browser, t) + browser.run(
        "document.getElementById('over').offsetLeft"
    )
    row = "document.getElementById('plot').data.find((trace) => trace.mode === 'none'"
    row += " && trace.meta === 'moments').y[0]"
    top_px = browser.run(row) + browser.run(
        "document.getElementById('plot').layout.margin.t"
    )
    stage = browser.one("#stage")
    x, y = left_px - stage.size["width"] / 2, top_px - stage.size["height"] / 2
    mouse = ActionChains(browser.driver)
    mouse.move_to_element_with_offset(stage, round(x), round(y)).perform()


def test_from_the_list_to_a_page(browser: Browser, site: Site) -> None:
    browser.open(site.folder / "index.html")
    rows = browser.all("#turns tr")
    assert len(rows) == 2 + 1 + 2 + 1
    browser.one("#filter").send_keys("Tell Me More")
    shown = browser.until(
        "[...document.querySelectorAll('#turns tr')].filter((r) => !r.hidden).length"
    )
    assert shown == 2
    browser.check()
    browser.one("#turns tr:not([hidden]) .pill").click()
    browser.until("document.body.dataset.ready === 'yes'")
    assert "tell me more" in browser.one("h1").text
    assert len(browser.all(".turn")) == 2
    browser.check()
    browser.one("header a").click()
    browser.until("document.title === 'Recordings'")


def test_all_bars_lie_in_their_rows(browser: Browser, site: Site) -> None:
    opened(browser, site, "barge-in")
    boxes = browser.run(
        "[...document.querySelectorAll('#plot .bars .point path')]"
        ".map((p) => p.getBoundingClientRect()).map((r) => [r.top, r.height])"
    )
    names = browser.run(
        "[...document.querySelectorAll('#rows div')]"
        ".map((p) => p.getBoundingClientRect()).map((r) => [r.top, r.height])"
    )
    assert len(boxes) > 50
    for top, height in boxes:
        assert any(a - 1.5 < top and top + height < a + b + 1.5 for a, b in names), (
            top,
            height,
        )


def test_the_sound_is_as_long_as_the_axis(browser: Browser, site: Site) -> None:
    opened(browser, site, "barge-in")
    recording = load(site.recordings["barge-in"])
    assert browser.run("document.getElementById('audio').duration") == pytest.approx(
        recording.length_s - browser.run(CURSOR), abs=0.05
    )
    browser.check()


def test_seeking_moves_the_cursor(browser: Browser, site: Site) -> None:
    opened(browser, site, "barge-in")
    start = browser.run(CURSOR)
    for seconds in (0.5, 2.0, 1.0):
        seek(browser, seconds)
        browser.until(f"Math.abs({CURSOR} - {start + seconds}) < 0.01")
        assert browser.run(CURSOR_PX) == pytest.approx(
            expected_px(browser, start + seconds), abs=CLOSE_PX
        )
    browser.check()


def test_playing_moves_the_cursor(browser: Browser, site: Site) -> None:
    opened(browser, site, "barge-in")
    before = browser.run(CURSOR)
    browser.one("#play").click()
    browser.until(f"{CURSOR} > {before + 0.2}")
    browser.one("#play").click()
    browser.until("document.getElementById('audio').paused")
    browser.check()


def test_an_event_is_gone_to(browser: Browser, site: Site) -> None:
    opened(browser, site, "barge-in")
    whole = browser.run(RANGE)
    row = browser.one("#events [data-event=interrupted]")
    t = float(row.get_attribute("data-t") or "nan")
    row.click()
    browser.until(f"Math.abs({CURSOR} - {t}) < 0.01")
    start, end = browser.until(f"{RANGE}[0] !== {whole[0]} && {RANGE}")
    assert start < t < end
    assert end - start < whole[1] - whole[0]
    assert (start + end) / 2 == pytest.approx(t, abs=0.01)
    browser.until(
        "document.querySelector('#events tr.now').dataset.event === 'interrupted'"
    )
    browser.one("#whole").click()
    browser.until(f"Math.abs({RANGE}[0] - {whole[0]}) < 1e-6")
    browser.check()


def test_a_click_on_the_drawing_seeks(browser: Browser, site: Site) -> None:
    from selenium.webdriver.common.action_chains import ActionChains  # noqa: PLC0415 - absent without a browser

    opened(browser, site, "barge-in")
    over = browser.one("#stage")
    ActionChains(browser.driver).move_to_element_with_offset(
        over, 100, 40
    ).click().perform()
    at_px = browser.run("document.getElementById('stage').clientWidth") / 2 + 100 - 104
    start, end = browser.run(RANGE)
    width = browser.run("document.getElementById('over').clientWidth")
    wanted = start + at_px / width * (end - start)
    browser.until(f"Math.abs({CURSOR} - {wanted}) < 0.03")
    browser.check()


def test_zooming_with_the_mouse(browser: Browser, site: Site) -> None:
    from selenium.webdriver.common.action_chains import ActionChains  # noqa: PLC0415 - absent without a browser

    opened(browser, site, "barge-in")
    start, end = browser.run(RANGE)
    cursor = browser.run(CURSOR)
    over = browser.one("#stage")
    mouse = ActionChains(browser.driver).move_to_element_with_offset(over, -150, 60)
    mouse.click_and_hold().move_by_offset(120, 0).move_by_offset(130, 0).release()
    mouse.perform()
    browser.until(f"{RANGE}[0] > {start} && {RANGE}[1] < {end}")
    assert browser.run(CURSOR) == cursor, "a drag is no click"
    browser.check()


def test_what_happened_is_told_under_the_pointer(browser: Browser, site: Site) -> None:
    opened(browser, site, "barge-in")
    assert browser.run("document.getElementById('tip').hidden")
    point_at(browser, "interrupted")
    tip = browser.until("document.getElementById('tip').textContent")
    assert "turn 1, Ana: interrupted" in tip
    assert browser.one("#tip").is_displayed()
    browser.check()


def test_the_legend_hides(browser: Browser, site: Site) -> None:
    opened(browser, site, "barge-in")
    button = browser.one("#legend [data-key=draft]")
    drawn = "document.getElementById('plot').data.filter((t) => t.meta === 'draft')"
    texts = "document.querySelectorAll('#texts .on-bar:not([hidden])').length"
    bars, shown = browser.run(f"{drawn}.length"), browser.run(texts)
    assert bars > 0
    assert shown > 0
    button.click()
    assert button.get_attribute("aria-pressed") == "false"
    browser.until(f"{drawn}.every((t) => t.visible === false) && {texts} < {shown}")
    button.click()
    browser.until(f"{drawn}.every((t) => t.visible) && {texts} === {shown}")
    browser.check()


def test_a_turn_is_gone_to_by_its_address(browser: Browser, site: Site) -> None:
    opened(browser, site, "barge-in", "#turn-2")
    start = float(browser.one("#turn-2").get_attribute("data-start") or "nan")
    browser.until(f"Math.abs({CURSOR} - {start}) < 0.01")
    end = float(browser.one("#turn-2").get_attribute("data-end") or "nan")
    left, right = browser.run(RANGE)
    assert left < start < end < right
    assert right - left == pytest.approx(end - start + 0.3, abs=0.01)
    browser.check()


def test_left_is_heard_and_right_is_spoken(
    browser: Browser, site: Site, tmp_path: Path
) -> None:
    """As the browser decodes it."""
    opened(browser, site, "barge-in")
    levels: Any = browser.driver.execute_async_script(
        """
        const done = arguments[arguments.length - 1];
        const context = new OfflineAudioContext(2, 8000, 8000);
        fetch(document.getElementById("audio").src)
          .then((answer) => answer.arrayBuffer())
          .then((data) => context.decodeAudioData(data))
          .then((pcm) => done([0, 1].map((side) => {
            const samples = pcm.getChannelData(side);
            return samples.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
          })));
        """
    )
    assert np.all(np.array(levels) > 0.1)


@pytest.mark.parametrize("name", ["silent", "cut", "hostile"])
def test_other_recordings_are_drawn(browser: Browser, site: Site, name: str) -> None:
    opened(browser, site, name)
    assert browser.all("#plot .main-svg")
    assert browser.run("document.getElementById('plot').data.length") > 3
    assert browser.all("#events tr")
    browser.check()


def test_what_people_say_stays_text(browser: Browser, site: Site) -> None:
    opened(browser, site, "hostile")
    assert HOSTILE in browser.one("#turn-1").text
    assert HOSTILE in browser.one("h1").text
    point_at(browser, "final")
    tip = browser.until("document.getElementById('tip').textContent")
    assert HOSTILE in tip
    assert browser.all("h1 b, #texts b, td b, dd b, #tip b") == []
    assert browser.run("document.querySelector('#texts .final').textContent") == HOSTILE
    browser.check()
