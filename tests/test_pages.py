"""Pages of recordings, without a browser: what is on them, and where."""

from __future__ import annotations

import io
import json
import re
from base64 import b64decode
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Any

import attrs
import numpy as np
import pytest
import soundfile

from tests.fakes import ANA, BEN
from tests.helpers_pages import HOSTILE, REPLY, barge_in, by, record, unanswered
from tests.helpers_recordings import ENTRIES, HEADER, audio_for
from trioagent.cli import main
from trioagent.latencies.palette import WAIT_COLOURS
from trioagent.pages.folder import names
from trioagent.pages.sounds import JOINED_S, tracks
from trioagent.pages.stories import stories
from trioagent.recording import format as f
from trioagent.recording.reader import load

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VOID = {"meta", "link", "input"}
MOST_BYTES = 300_000
"""Half of what a page of a minute may have."""


class Page(HTMLParser):
    """Tags, the visible text, and what the script gets."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

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

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def drawing(self) -> Any:
        [found] = [s for s in self.scripts if s.startswith('{"start"')]
        return json.loads(found)

    def traces(self, key: str) -> list[Any]:
        return [t for t in self.drawing["figure"]["data"] if t["meta"] == key]

    @property
    def sound(self) -> tuple[np.ndarray, int]:
        uri = str(self.named("audio")[0]["src"])
        prefix = "data:audio/flac;base64,"
        assert uri.startswith(prefix)
        data, rate_hz = soundfile.read(io.BytesIO(b64decode(uri[len(prefix) :])))
        return data, rate_hz


def pages(target: Path, *recordings: Path, status: int = 0) -> dict[str, Page]:
    command = ["replay", *map(str, recordings), "--html", str(target), "--jobs", "1"]
    assert main(command) == status
    return {
        path.stem: Page(path.read_text(encoding="utf-8"))
        for path in target.glob("*.html")
    }


def page_of(tmp_path: Path, recording: Path) -> Page:
    return pages(tmp_path / "pages", recording)[recording.name]


def test_a_barge_in_is_on_one_page(tmp_path: Path) -> None:
    recording = record(tmp_path, barge_in)
    page = page_of(tmp_path, recording)
    cards = [a["id"] for a in page.named("section") if "turn" in str(a["class"])]
    assert cards == ["turn-1", "turn-2"]
    assert "interrupted" in page.text
    assert REPLY.split()[0] in page.text
    told = [a["data-event"] for a in page.named("tr") if "data-event" in a]
    recorded = [e.event for e in load(recording).entries if isinstance(e, f.Happened)]
    assert told == recorded
    for key in ("heard", "spoken", "words", "moments", "recognizer", "calls", "draft"):
        assert page.traces(key), key


def test_the_ledger_lies_between_the_end_of_speech_and_the_first_audio(
    tmp_path: Path,
) -> None:
    recording = record(tmp_path, by(ANA, "good morning"))
    [story] = stories(load(recording))
    page = page_of(tmp_path, recording)
    bars = [(bar, key) for key in WAIT_COLOURS for bar in page.traces(key)]
    assert len(bars) >= 2
    ends = [story.last_speech, *(b["base"][0] + b["x"][0] for b, _ in bars)]
    for (bar, key), before in zip(bars, ends, strict=False):
        assert bar["base"][0] == pytest.approx(before, abs=1e-3)
        assert bar["marker"]["color"] == WAIT_COLOURS[key]
        assert "ms" in bar["customdata"][0]
    first = story.first("first_frame")
    assert first is not None
    assert ends[-1] == pytest.approx(first.t, abs=1e-3)


def test_drafts_end_with_what_became_of_them(tmp_path: Path) -> None:
    recording = record(tmp_path, barge_in)
    for story in stories(load(recording)):
        for draft in story.drafts:
            assert story.start <= draft.start <= draft.end
            assert draft.discarded == (draft.committed is None)
        names = [e.event for e in story.events]
        assert len(story.drafts) == names.count("draft_started")
        assert sum(d.discarded for d in story.drafts) == names.count("draft_discarded")
    first, second = stories(load(recording))
    assert first.outcome == "interrupted"
    assert first.reply == REPLY
    assert first.reply.startswith(first.heard)
    assert second.asked == "stop now"


def test_the_sound_is_where_it_happened(tmp_path: Path) -> None:
    """Left is what was heard; right, from the first frame on, what was spoken."""
    path = record(tmp_path, barge_in)
    recording = load(path)
    sound, rate_hz = page_of(tmp_path, path).sound
    laid = tracks(recording)
    assert len(sound) / rate_hz == pytest.approx(laid.end - laid.start, abs=0.001)
    left, right = (np.flatnonzero(np.abs(side) > 0.02) / rate_hz for side in sound.T)
    frames = [e.t for e in recording.entries if isinstance(e, f.Frame)]
    packets = [e for e in recording.entries if isinstance(e, f.Packet)]
    began = packets[0].t - packets[0].samples / 16_000
    assert left[0] + laid.start == pytest.approx(began, abs=0.05)
    assert right[0] + laid.start == pytest.approx(frames[0], abs=0.01)
    # Between the question and the interruption, nothing was heard.
    pause = np.diff(left).max()
    gap = np.diff([p.t for p in packets]).max()
    assert pause == pytest.approx(gap - 0.02, abs=0.06)


def test_nothing_is_where_nothing_came() -> None:
    header = attrs.evolve(HEADER, ears=(), room_rate_hz=16_000)
    times = [0.02, 0.043, 0.059, 0.5, 0.52, 0.9, 0.9, 0.9]
    entries = [f.Packet(t, 7, 320) for t in times]
    laid = tracks(in_memory(header, entries))
    [track] = laid.heard.values()
    starts = [s.start for s in track.stretches]
    assert starts == pytest.approx([0.0, 0.48, 0.88])
    assert [len(s.pcm) for s in track.stretches] == [960, 640, 960]
    assert track.name == "Ana"
    assert min(np.diff(starts)) > JOINED_S


def test_the_pre_roll_lies_before_the_beginning(tmp_path: Path) -> None:
    laid = tracks(in_memory(HEADER, ENTRIES))
    assert laid.start == pytest.approx(-0.04 - 5 / 16_000)
    assert laid.heard[7].stretches[0].start == laid.start
    assert set(laid.heard) == {7, 8}


def in_memory(header: f.Header, entries: Sequence[f.Entry]) -> Any:
    from trioagent.recording.recording import Recording  # noqa: PLC0415 - only here

    audio = {
        stem: np.concatenate(parts)
        for stem, parts in audio_for(entries, header).items()
    }
    empty = np.zeros(0, np.int16)
    heard = {
        int(stem.removeprefix("heard-")): pcm
        for stem, pcm in audio.items()
        if stem.startswith("heard-")
    }
    synthesized, spoken = audio.get("synthesized", empty), audio.get("spoken", empty)
    return Recording(
        path_for_nothing(), header, tuple(entries), heard, synthesized, spoken, True
    )


def path_for_nothing() -> Any:
    return None


def test_a_turn_without_a_reply_has_a_page(tmp_path: Path) -> None:
    recording = record(tmp_path, unanswered)
    page = page_of(tmp_path, recording)
    assert page.traces("heard")
    assert not page.traces("spoken")
    assert page.named("audio")
    assert not any(page.traces(key) for key in WAIT_COLOURS)


def test_a_recording_that_was_cut_off_has_a_page(tmp_path: Path) -> None:
    recording = record(tmp_path, barge_in, cut=0.7)
    page = page_of(tmp_path, recording)
    assert "cut off after" in page.text
    assert "unfinished" in page.text
    assert page.traces("heard")


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.35, 0.5, 0.8, 0.95])
def test_wherever_it_was_cut_off(tmp_path: Path, share: float) -> None:
    recording = record(tmp_path, barge_in, cut=share)
    page = page_of(tmp_path, recording)
    assert len(page.named("tr")) >= 1
    assert "cut off" in page.text


def test_what_people_say_stays_text(tmp_path: Path) -> None:
    mallory = attrs.evolve(BEN, name=HOSTILE)
    recording = record(tmp_path, by(mallory, HOSTILE), who=mallory)
    made = pages(tmp_path / "pages", recording)
    assert set(made) == {recording.name, "index"}
    for page in made.values():
        assert page.named("b") == [{}] * len(page.named("b")), "only our own"
        assert HOSTILE in page.text
    page = made[recording.name]
    assert len(page.scripts) == 3
    told: list[str] = []
    for trace in page.drawing["figure"]["data"]:
        told += trace.pop("customdata", [])
        assert trace["hoverinfo"] in ("none", "skip")
        assert "script" not in json.dumps(trace), "plotly reads tags in its texts"
    assert any(HOSTILE in text for text in told)
    assert HOSTILE in [label["text"] for label in page.drawing["labels"]]


def test_pages_load_nothing_but_their_neighbours(tmp_path: Path) -> None:
    recording = record(tmp_path, barge_in)
    made = pages(tmp_path / "pages", recording)
    beside = {path.name for path in (tmp_path / "pages").iterdir()}
    assert beside == {"index.html", "plotly.min.js", f"{recording.name}.html"}
    for page in made.values():
        for _, attributes in page.tags:
            for key in ("src", "href", "action", "data", "srcset", "poster"):
                value = attributes.get(key) or "data:"
                local = value.removeprefix("./").split("#")[0].replace("%20", " ")
                assert value.startswith("data:") or local in beside | {""}, value
        assert not re.search(r"https?://(?!www\.w3\.org)", " ".join(page.scripts))
    assert made[recording.name].named("script")[0] == {"src": "plotly.min.js"}


def test_pages_are_small_and_private(tmp_path: Path) -> None:
    recording = record(tmp_path, by(ANA, " ".join(["word", "other"] * 25)))
    assert load(recording).length_s > 24
    target = tmp_path / "pages"
    page = pages(target, recording)[recording.name]
    audio = str(page.named("audio")[0]["src"])
    whole = (target / f"{recording.name}.html").stat().st_size
    assert whole - len(audio) < MOST_BYTES
    assert target.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in target.iterdir())


def test_the_list_has_a_row_for_each_turn(tmp_path: Path) -> None:
    overlapping = record(tmp_path / "a", barge_in)
    silent = record(tmp_path / "b", unanswered)
    index = pages(tmp_path / "pages", overlapping, silent)["index"]
    links = [str(a["href"]) for a in index.named("a")]
    first = f"./{overlapping.name.replace(' ', '%20')}.html"
    second = f"./{silent.name.replace(' ', '%20')}-2.html"
    assert links == [f"{first}#turn-1", f"{first}#turn-2", f"{second}#turn-1"]
    for text in ("tell me more", "stop now", "interrupted", "3 turns in 2 recordings"):
        assert text in index.text
    [story, _] = stories(load(overlapping))
    assert f"{story.metrics['total_ttfa_ms']:.0f} ms" in index.text


def test_no_two_pages_have_the_same_name(tmp_path: Path) -> None:
    paths = [tmp_path / p for p in ("a/x", "b/x", "c/X", "d/x-2", "index")]
    found = names(paths)
    assert len({name.lower() for name in found.values()}) == len(paths)
    assert "index.html" not in found.values()


def test_a_bad_recording_does_not_cost_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    good = record(tmp_path / "a", by(ANA, "good morning"))
    edited = record(tmp_path / "b", by(ANA, "good evening"))
    broken = record(tmp_path / "c", by(ANA, "good night"))
    edited, broken = edited.rename(tmp_path / "e"), broken.rename(tmp_path / "z")
    lines = edited / f.TURN_FILE
    text = lines.read_text(encoding="utf-8")
    lines.write_text(text.replace('"last_speech"', '"first_speech"'), encoding="utf-8")
    (broken / f.TURN_FILE).write_text("{}\n", encoding="utf-8")
    made = pages(tmp_path / "pages", good, edited, broken, status=1)
    assert set(made) == {good.name, "index"}
    assert "good morning" in made["index"].text
    messages = "\n".join(record.getMessage() for record in caplog.records)
    assert str(edited) in messages
    assert str(broken) in messages


def test_a_folder_that_cannot_be_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = record(tmp_path, by(ANA, "good morning"))
    taken = tmp_path / "file"
    taken.write_text("")
    assert main(["replay", str(recording), "--html", str(taken)]) != 0
    assert str(taken) in capsys.readouterr().err
