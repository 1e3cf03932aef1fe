"""Names, transcripts and words of servers steer no terminal, and no browser."""

from __future__ import annotations

import io
import json
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from providers.http_words import error_message
from tests.helpers_hostile_text import SCRIPT, STEERS, TERMINAL
from tests.helpers_latency import line
from trioagent.cli import main
from trioagent.cli.watch import Watch
from trioagent.errors import RoomRejected
from trioagent.fitting.findings import Finding
from trioagent.journal.events import Event, TurnJournal
from trioagent.visible import json_line, visible, visible_line

if TYPE_CHECKING:
    from pathlib import Path


def shown_by_watch(name: str, words: str) -> str:
    watch = Watch()
    journal = TurnJournal(1, name, "", (), 0.0)
    for event in (
        Event(0.0, "speech_started", {"speaker": name}),
        Event(0.1, "final", {"text": words}),
        Event(0.2, "outcome", {"kind": "answered", "said": words, "heard": words}),
    ):
        journal.events.append(event)
        watch(journal, event)
    console = Console(file=io.StringIO(), width=160, color_system=None)
    console.print(watch)
    text: str = console.file.getvalue()  # type: ignore[attr-defined]
    return text


@pytest.mark.parametrize("text", TERMINAL)
def test_a_name_or_a_transcript_steers_no_terminal(text: str) -> None:
    for shown in (
        shown_by_watch(f"Ana{text}", f"hello{text}"),
        visible(f"Ana{text}\nhello"),
        visible_line(text),
        visible(str(RoomRejected(text, hint=text))),
        Finding("language model", "fail", text, text).text,
        error_message(text),
        error_message(json.dumps({"error": {"message": text}})),
    ):
        assert not STEERS.search(shown), repr(shown)


@given(st.text(st.characters(), max_size=40))
def test_what_is_shown_is_one_visible_line(text: str) -> None:
    line = visible_line(text)
    assert not STEERS.search(line)
    assert "\n" not in line
    assert visible_line(line) == line
    line.encode()


@given(st.text(st.characters(), max_size=40))
def test_json_is_one_harmless_line_that_says_the_same(text: str) -> None:
    line = json_line({"name": text})
    assert not STEERS.search(line)
    assert "\n" not in line
    assert json.loads(line) == {"name": text}
    line.encode()


def test_text_in_any_script_is_left_as_it_is() -> None:
    for text in ("Zoë", "日本 नमस्ते", "caf\N{NO-BREAK SPACE}é", "👩\u200d🚀", "שלום"):
        assert visible_line(text) == text


def test_an_error_that_a_server_worded_is_printed_harmlessly() -> None:
    """The whole program, up to its stderr."""
    code = (
        "import sys, trioagent.cli.run as run\n"
        "from trioagent.errors import RoomRejected\n"
        "async def refuse(*a, **k): raise RoomRejected(sys.argv.pop(), hint='h')\n"
        "run.Fleet.run = refuse\n"
        "from trioagent.cli import main\n"
        "text = sys.argv[-1]\n"
        "sys.exit(main(['--set', 'mumble.user=x']))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "\x1b]0;owned\x07\x9b2J"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "\\x1b]0;owned\\x07\\x9b2J" in done.stderr
    assert not STEERS.search(done.stderr)


def latency_line(number: int, text: str) -> str:
    """A turn that was answered aloud, by somebody with such a name."""
    return json.dumps(line(number, speaker=text, outcome=text), ensure_ascii=False)


@pytest.mark.parametrize("text", [*TERMINAL, SCRIPT])
def test_the_latency_command_shows_names_as_text(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, page = tmp_path / "latency.jsonl", tmp_path / "page.html"
    lines = [latency_line(number, f"Ana{text}") for number in range(3)]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["latency", str(file), "--html", str(page)]) == 0
    assert not STEERS.search(capsys.readouterr().out)
    shown = page.read_text(encoding="utf-8")
    assert "<img src=x" not in shown
    assert "<script>alert" not in shown
    main(["latency", str(file), "--json"])
    for row in capsys.readouterr().out.splitlines():
        json.loads(row)
        assert not re.search(r"[\x00-\x1f]", row)
