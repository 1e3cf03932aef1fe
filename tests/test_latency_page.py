"""The page as a browser's parser sees it; that it draws needs a browser."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import pytest

from tests.helpers_latency import conversation, ledger, line, older, silent, write
from trioagent.cli import main
from trioagent.latencies.definitions import METRICS, WAITS
from trioagent.latencies.figures import MOST_BARS, MOST_TURNS, nice_bins
from trioagent.latencies.palette import WAIT_COLOURS

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers_latency import Line

KEYS = [m.key for m in (*METRICS, *WAITS)]
VOID = {"meta", "link", "circle", "path"}
HOSTILE = "</script><img src=http://x onerror=alert(1)>"


class Page(HTMLParser):
    """Tags with attributes, ids, the text of scripts, and the visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            self.scripts[-1] += data
        elif not self.open or self.open[-1] != "style":
            self.text += data

    @property
    def ids(self) -> list[str]:
        return [str(attrs["id"]) for _, attrs in self.tags if "id" in attrs]

    def figure(self, name: str) -> tuple[list[Any], Any]:
        """The traces and the layout that are drawn into this element."""
        call = re.compile(rf'Plotly\.newPlot\(\s*"{name}",\s*')
        [script] = [s for s in self.scripts if call.search(s)]
        start = call.search(script)
        assert start
        data, end = json.JSONDecoder().raw_decode(script, start.end())
        rest = script[end:].lstrip(", \n")
        return data, json.JSONDecoder().raw_decode(rest)[0]


def page(tmp_path: Path, *files: list[Line], compare: bool = False) -> Page:
    paths = [write(tmp_path / f"{i}.jsonl", lines) for i, lines in enumerate(files)]
    target = tmp_path / "page.html"
    options = ["--compare"] if compare else []
    command = ["latency", *map(str, paths), "--html", str(target), "--json", *options]
    assert main(command) == 0
    return Page(target.read_text(encoding="utf-8"))


def test_the_page_is_whole_and_loads_nothing(tmp_path: Path) -> None:
    made = page(tmp_path, conversation(30, 1), conversation(30, 2), compare=True)
    assert made.open == []
    assert len(made.ids) == len(set(made.ids))
    wanted = {"metric-select", "histogram", "turns", "ledger", "ledger-sort"}
    assert wanted | {"comparison", "percentiles"} <= set(made.ids)
    for tag, attrs in made.tags:
        for key in ("src", "href", "action", "data", "srcset", "poster"):
            value = attrs.get(key)
            assert value is None or value == "data:,", (tag, attrs)
    assert sum(len(s) > 1_000_000 for s in made.scripts) == 1, "plotly, once"


def test_every_metric_of_every_file_can_be_chosen(tmp_path: Path) -> None:
    first, second = conversation(40, 1), conversation(30, 2)
    made = page(tmp_path, first, second)
    options = [attrs["value"] for tag, attrs in made.tags if tag == "option"]
    assert options[: len(KEYS)] == KEYS
    traces, layout = made.figure("histogram")
    assert [t["meta"] for t in traces] == [key for key in KEYS for _ in range(2)]
    for i, lines in enumerate((first, second)):
        [asr] = [t for t in traces[i::2] if t["meta"] == "asr_ms"]
        assert asr["x"] == [one["asr_ms"] for one in lines if one["asr_ms"] is not None]
        [hold] = [t for t in traces[i::2] if t["meta"] == "endpoint_hold_ms"]
        assert len(hold["x"]) == len(asr["x"])
    visible = [t["meta"] for t in traces if t["visible"]]
    assert visible == ["total_ttfa_ms"] * 2
    assert layout["barmode"] == "overlay"
    assert len(layout["shapes"]) == 2
    [views] = [json.loads(s) for s in made.scripts if s.startswith("{")]
    assert list(views) == KEYS
    assert all(len(view["shapes"]) == 2 for view in views.values())


def test_the_ledger_has_a_stack_per_turn(tmp_path: Path) -> None:
    turns = [line(1), silent(2), older(3), line(4, ledger=ledger(floor_ms=9))]
    made = page(tmp_path, turns)
    traces, layout = made.figure("ledger")
    total, *waits = traces
    assert layout["barmode"] == "stack"
    assert layout["hovermode"] == "x unified", "hovering shows all waits"
    assert total["y"] == [700, 700]
    assert [t["name"] for t in waits] == [w.label for w in WAITS]
    assert [t["marker"]["color"] for t in waits] == list(WAIT_COLOURS.values())
    assert waits[0]["y"] == [500, 0]
    assert waits[6]["y"] == [0, 9]
    assert all(len(set(t["x"])) == 2 for t in traces)


def test_turns_of_the_same_name_have_bars_of_their_own(tmp_path: Path) -> None:
    traces, _ = page(tmp_path, [line(1)] * 3).figure("ledger")
    assert len(set(traces[0]["x"])) == 3


def test_two_files_share_the_scale_of_the_ledger(tmp_path: Path) -> None:
    slow = line(1, total_ttfa_ms=9000.0, ledger=ledger(floor_ms=9000))
    made = page(tmp_path, [line(1)], [slow])
    traces, layout = made.figure("ledger")
    assert len(traces) == 2 * (1 + len(WAITS))
    assert {t["xaxis"] for t in traces} == {"x", "x2"}
    assert layout["yaxis"]["range"] == layout["yaxis2"]["range"]
    assert layout["yaxis2"]["domain"][1] < layout["yaxis"]["domain"][0]
    assert layout["yaxis"]["range"][1] > 9000


def test_a_long_file_shows_its_last_turns(tmp_path: Path) -> None:
    turns = [line(n) for n in range(MOST_TURNS + 20)]
    made = page(tmp_path, turns)
    traces, _ = made.figure("ledger")
    assert len(traces[0]["x"]) == MOST_TURNS
    assert traces[0]["x"][0].startswith("turn 20,")
    assert f"The last {MOST_TURNS} turns are shown" in made.text
    histogram, _ = made.figure("histogram")
    assert len(histogram[0]["x"]) == len(turns)


def test_the_comparison_is_a_table(tmp_path: Path) -> None:
    fast = conversation(60, 2, llm_ms=120)
    made = page(tmp_path, conversation(60, 1), fast, compare=True)
    assert "LLM TTFT" in made.text
    assert "faster" in made.text
    assert "no clear difference" in made.text
    drawn = [attrs for tag, attrs in made.tags if tag == "svg"]
    # Five interruptions, in the second one, prove nothing.
    assert made.text.count("too few turns") == 1
    assert len(drawn) == len(KEYS) - 1
    alone = page(tmp_path, conversation(60, 1), fast)
    assert "comparison" not in alone.ids


def test_a_slight_difference_is_no_markup(tmp_path: Path) -> None:
    before = [line(n, asr_ms=20.0) for n in range(9)]
    after = [line(n, asr_ms=20.4) for n in range(9)]
    made = page(tmp_path, before, after, compare=True)
    assert "slower by < 1 ms" in made.text
    judged = [attrs["class"] for tag, attrs in made.tags if tag == "svg"]
    assert judged == ["interval neither"] * len(judged)


def test_percentiles_stand_in_the_table(tmp_path: Path) -> None:
    made = page(tmp_path, [line(n, asr_ms=n) for n in (10, 20, 30, 40, 50)])
    assert "ASR530.046.049.650.0" in made.text
    assert "700 ms" in made.text


def test_files_without_a_ledger_have_a_page(tmp_path: Path) -> None:
    made = page(tmp_path, [older(1), older(2)])
    assert "no-ledger" in made.ids
    assert "ledger" not in made.ids
    traces, _ = made.figure("histogram")
    assert {t["meta"] for t in traces} <= {m.key for m in METRICS}
    mixed = page(tmp_path, [older(1)], [line(1)])
    assert "ledger" in mixed.ids


def test_names_of_other_people_are_only_text(tmp_path: Path) -> None:
    turns = [line(n, speaker=HOSTILE, outcome=HOSTILE) for n in range(8)]
    made = page(tmp_path, turns, turns, compare=True)
    assert made.open == []
    assert "img" not in [tag for tag, _ in made.tags]
    traces, _ = made.figure("ledger")
    shown = [*traces[0]["x"], *traces[0]["customdata"]]
    named, _ = made.figure("turns")
    shown += named[0]["customdata"]
    assert all("&lt;img" in text and "<" not in text for text in shown), (
        "plotly reads tags in its texts"
    )


@pytest.mark.parametrize(
    "values", [[5.0], [0.0, 0.0], [1.0, 2.0], [0.0, 1e6], [-5.0, 5.0], [0.1, 0.25]]
)
def test_bins_are_few_and_hold_all_values(values: list[float]) -> None:
    bins = nice_bins(values * 100)
    assert bins["start"] <= min(values)
    assert max(values) < bins["end"]
    assert (bins["end"] - bins["start"]) / bins["size"] <= MOST_BARS + 2
    assert re.fullmatch(r"[125]0*e[-+]\d+", f"{bins['size']:.0e}")
