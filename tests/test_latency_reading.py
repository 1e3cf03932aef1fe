from __future__ import annotations

import io
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers_latency import conversation, line, older, silent, write
from trioagent.errors import ConfigError
from trioagent.journal.events import Event, TurnJournal
from trioagent.journal.latency import LatencyLog
from trioagent.latencies.reading import parse, read

PLAIN = json.dumps(line())


def test_a_line_becomes_a_turn(tmp_path: Path) -> None:
    [turn] = read(write(tmp_path / "latency.jsonl", [line(7, stale_ms=31.5)])).turns
    assert (turn.number, turn.speaker, turn.outcome) == (7, "Ana", "answered")
    assert turn.ttfa_ms == 700
    assert turn.metrics["stale_ms"] == 31.5
    assert turn.counts["tokens_discarded"] == 5
    assert turn.queues == {"packets": 3, "tokens": 2, "audio_ms": 80, "dropped": 0}
    assert turn.ledger is not None
    assert turn.ledger["llm_first_token_ms"] == 150
    assert sum(turn.ledger.values()) == turn.ttfa_ms


def test_what_older_files_lack_is_not_made_up(tmp_path: Path) -> None:
    file = read(write(tmp_path / "latency.jsonl", [older(), line()]))
    assert file.turns[0].ledger is None
    assert file.turns[0].queues is None
    assert file.turns[0].metrics["stale_ms"] is None
    assert file.values("asr_ms") == [20, 20]
    assert file.values("pacing_ms") == [10], "only one of them has a ledger"
    assert file.values("floor_ms") == [0]


def test_what_newer_files_have_does_no_harm() -> None:
    [turn] = parse("f", json.dumps(line(colour="blue", more={"a": [1]}))).turns
    assert turn.ttfa_ms == 700


def test_what_the_agent_writes_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / "latency.jsonl"
    events = [
        Event(0.0, "speech_started", {"speaker": "Ana\u2028Lü"}),
        Event(1.2, "speech_ended", {"cause": "silence", "last_speech": 1.0}),
        Event(1.25, "final", {"text": "hi"}),
        Event(1.25, "draft_started", {"draft": 1, "cause": "final", "text": "hi"}),
        Event(1.25, "committed", {"draft": 1}),
        Event(1.4, "llm_first_token", {"draft": 1}),
        Event(1.45, "phrase", {"draft": 1, "text": "Ho."}),
        Event(1.5, "tts_first_audio", {"draft": 1}),
        Event(1.6, "first_frame", {"draft": 1}),
        Event(2.0, "outcome", {"kind": "answered"}),
    ]
    journal = TurnJournal(3, "Ana\u2028Lü", "2026-01-02T03:04:05", (), 0.0, events)
    written = LatencyLog(path)
    written(journal, events[-1])
    [turn] = read(path).turns
    assert turn.number == 3
    assert turn.ttfa_ms == pytest.approx(600)
    assert turn.speaker == "Ana\\u2028Lü"


@pytest.mark.parametrize("torn", [PLAIN[:40], PLAIN[:-1], PLAIN[:1], "{", "\0" * 99])
def test_a_line_cut_off_by_a_crash_is_skipped_and_told(torn: str) -> None:
    file = parse("latency.jsonl", f"{PLAIN}\n{PLAIN}\n{torn}")
    assert len(file.turns) == 2
    if torn.strip("\0"):
        [warning] = file.warnings
        assert warning.startswith("latency.jsonl:3: ")


@pytest.mark.parametrize("torn", [PLAIN[:100], PLAIN[:30] + PLAIN[:100]])
def test_who_appends_after_a_crash_goes_on_in_the_same_line(torn: str) -> None:
    text = f"{PLAIN}\n{torn}{PLAIN}\n{PLAIN}\n"
    file = parse("latency.jsonl", text)
    assert len(file.turns) == 3
    [warning] = file.warnings
    assert warning.startswith("latency.jsonl:2: ")


@given(st.integers(1, 4), st.data())
def test_a_file_cut_off_anywhere_has_its_whole_lines(
    lines: int, data: st.DataObject
) -> None:
    whole = f"{PLAIN}\n" * lines
    # At least the first line is whole.
    at = data.draw(st.integers(len(PLAIN), len(whole)))
    file = parse("f", whole[:at])
    left = at % (len(PLAIN) + 1)
    assert len(file.turns) == at // (len(PLAIN) + 1) + (left == len(PLAIN))
    assert len(file.warnings) == (0 < left < len(PLAIN))


FOREIGN = {
    "not JSON": ("hello\n", ":1: this is no JSON"),
    "not JSON, without an end": ("hello", ":1: this is no JSON"),
    "a torn line in between": (f"{PLAIN[:50]}\n{PLAIN}\n", ":1: this is no JSON"),
    "JSON of something else": ('{"level": "info"}\n', ":1: this JSON is not of a turn"),
    "a later foreign line": (f"{PLAIN}\n{{}}\n", ":2: this JSON is not of a turn"),
    "a list": ("[1, 2]\n", ":1: this JSON is not of a turn"),
    "null": ("null\n", ":1: this JSON is not of a turn"),
    "very deep": ("[" * 100_000, ":1: this is no JSON"),
    "empty": ("", "there are no turns in"),
    "only blanks": ("\n \n\n", "there are no turns in"),
    "only zeros": ("\0" * 40, "there are no turns in"),
    "only a torn line": (PLAIN[:60], "there are no turns in"),
    "no audio": (json.dumps(silent()), "was answered aloud"),
}


@pytest.mark.parametrize(("text", "told"), FOREIGN.values(), ids=FOREIGN)
def test_what_cannot_be_used_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("latency.jsonl", text)
    assert told in caught.value.message
    assert "latency.jsonl" in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"asr_ms": "20"}, "asr_ms is not a number: '20'"),
        ({"asr_ms": True}, "asr_ms is not a number"),
        ({"asr_ms": float("nan")}, "asr_ms is not a number"),
        ({"total_ttfa_ms": float("inf")}, "total_ttfa_ms is not a number"),
        ({"total_ttfa_ms": 10**400}, "total_ttfa_ms is not a number"),
        ({"turn": "one"}, "turn is not a number"),
        ({"drafts": [1]}, "drafts is not a number"),
        ({"queues": 3}, "queues should be an object or null"),
        ({"queues": {"dropped": "no"}}, "dropped is not a number"),
        ({"ledger": [1, 2]}, "ledger should be an object or null"),
        ({"ledger": {"floor_ms": "x"}}, "floor_ms is not a number"),
        ({"ledger": {"tea_ms": 9}}, "unknown waits in the ledger: tea_ms"),
    ],
)
def test_a_wrong_value_is_told_with_its_key(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("latency.jsonl", f"{PLAIN}\n{json.dumps(line(**changes))}\n")
    assert caught.value.message.startswith("latency.jsonl:2: ")
    assert told in caught.value.message


def test_names_cannot_steer_a_terminal() -> None:
    [turn] = parse("f", json.dumps(line(speaker="\x1b[31mBo\u202eb\x07"))).turns
    assert turn.speaker.isprintable()
    assert "Bo" in turn.speaker


def test_stdin_is_a_file_too(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "".join(json.dumps(one) + "\n" for one in conversation(9, seed=1))
    stdin = SimpleNamespace(buffer=io.BytesIO(text.encode()))
    monkeypatch.setattr("sys.stdin", stdin)
    file = read(Path("-"))
    assert (file.name, len(file.turns)) == ("stdin", 9)
