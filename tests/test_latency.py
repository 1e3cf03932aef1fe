from __future__ import annotations

import json
import logging
from fractions import Fraction
from pathlib import Path
from typing import Any

import attrs
import pytest

from trioagent.journal.events import Event, TurnJournal
from trioagent.journal.latency import LatencyLog, counts, metrics, queues, stale_ms
from trioagent.journal.ledger import WAITS, ledger

FULL_DISK = Path("/dev/full")

# Spoken until 2.0, over at 2.2, its second draft heard from 3.0 on.
PLAIN = [
    Event(0.0, "speech_started", {"speaker": "Ana"}),
    Event(1.0, "draft_started", {"draft": 1, "cause": "pause", "text": "what is"}),
    Event(1.1, "llm_first_token", {"draft": 1}),
    Event(1.2, "phrase", {"draft": 1, "text": "You"}),
    Event(1.3, "tts_first_audio", {"draft": 1}),
    Event(2.2, "speech_ended", {"cause": "silence", "last_speech": 2.0}),
    Event(2.25, "final", {"text": "what is that"}),
    Event(2.25, "draft_discarded", {"draft": 1, "tokens": 7}),
    Event(
        2.25, "draft_started", {"draft": 2, "cause": "final", "text": "what is that"}
    ),
    Event(2.25, "committed", {"draft": 2}),
    Event(2.25, "floor_taken"),
    Event(2.55, "llm_first_token", {"draft": 2}),
    Event(2.7, "phrase", {"draft": 2, "text": "A bird."}),
    Event(2.8, "tts_first_audio", {"draft": 2}),
    Event(2.999, "buffered", {"draft": 2}),
    Event(3.0, "first_frame", {"draft": 2}),
    Event(3.1, "phrase", {"draft": 2, "text": "It sings."}),
    Event(3.25, "llm_done", {"draft": 2, "tokens": 9}),
    Event(4.0, "underrun"),
    Event(5.0, "last_frame", {"until": 5.02}),
    Event(5.001, "outcome", {"kind": "answered"}),
]


def journal(events: list[Event]) -> TurnJournal:
    return TurnJournal(3, "Ana", "2026-01-02T03:04:05.678", (), 0.0, list(events))


def test_each_wait_is_measured_on_the_draft_that_was_heard() -> None:
    assert metrics(PLAIN) == {
        "vad_duration_ms": 200,
        "asr_ms": 50,
        "llm_ttft_ms": 300,
        "llm_total_ms": 1000,
        "tts_ttfa_ms": 100,
        "draft_lead_ms": 0,
        "total_ttfa_ms": 1000,
        "total_turn_ms": 5001,
    }


def test_a_draft_made_in_the_pause_may_be_there_before_the_end() -> None:
    events = [e for e in PLAIN if e.data.get("draft") != 2]
    events.append(Event(2.26, "first_frame", {"draft": 1}))
    assert metrics(events)["draft_lead_ms"] == 1250
    measured = metrics(events)
    assert measured["total_ttfa_ms"] == 260
    assert measured["llm_ttft_ms"] == 100
    assert measured["tts_ttfa_ms"] == 100
    assert measured["llm_total_ms"] is None


def test_a_turn_that_went_on_counts_from_its_last_end() -> None:
    earlier = [
        Event(0.5, "speech_ended", {"cause": "released", "last_speech": 0.5}),
        Event(0.6, "final", {"text": "what"}),
        Event(0.7, "speech_resumed"),
    ]
    assert metrics([PLAIN[0], *earlier, *PLAIN[1:]]) == metrics(PLAIN)


@pytest.mark.parametrize("length", range(len(PLAIN)))
def test_what_did_not_happen_is_null(length: int) -> None:
    events = PLAIN[:length]
    names = {e.name for e in events}
    measured = metrics(events)
    assert measured.keys() == metrics(PLAIN).keys()
    assert (measured["vad_duration_ms"] is None) is ("speech_ended" not in names)
    assert (measured["asr_ms"] is None) is ("final" not in names)
    heard = ("total_ttfa_ms", "llm_ttft_ms", "tts_ttfa_ms")
    assert all((measured[k] is None) is ("first_frame" not in names) for k in heard)
    assert measured["total_turn_ms"] is None


def test_counts() -> None:
    assert counts(PLAIN) == {
        "drafts": 2,
        "drafts_discarded": 1,
        "tokens_discarded": 7,
        "underruns": 1,
    }
    assert set(counts([]).values()) == {0}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], None),
        ([Event(3.0, "interrupted")], None),
        # Nobody interrupted it: the agent ended.
        ([Event(3.0, "cut_off", {"until": 3.02})], None),
        (
            [Event(3.001, "interrupted"), Event(3.001, "cut_off", {"until": 3.0135})],
            12.5,
        ),
        # It held its breath already.
        ([Event(3.0, "interrupted"), Event(3.0, "cut_off", {"until": 2.8})], 0),
        # It had sounded to its end.
        ([Event(3.0, "last_frame", {"until": 3.02}), Event(3.01, "interrupted")], None),
    ],
)
def test_how_long_it_sounded_after_it_was_interrupted(
    events: list[Event], expected: float | None
) -> None:
    assert stale_ms(events) == expected


def test_the_most_that_waited_is_kept() -> None:
    turn = journal([])
    for waiting in (3, 7, 0, 6.5):
        turn.peak("tokens", waiting)
    assert turn.peaks == {"tokens": 7}
    expected = {"packets": 0, "tokens": 7, "audio_ms": 0, "dropped": 0}
    assert queues(turn.peaks) == expected


def play(observer: LatencyLog, events: list[Event]) -> None:
    """As a journal does: each event is added, then shown."""
    shown = journal([])
    for event in events:
        shown.events.append(event)
        observer(shown, event)


def test_a_turn_is_one_line_of_json(tmp_path: Path) -> None:
    path = tmp_path / "latency.jsonl"
    path.write_text('{"turn": 0}\n')
    observer = LatencyLog(path)
    play(observer, PLAIN[:-1])
    assert len(path.read_text().splitlines()) == 1
    play(observer, PLAIN)
    play(observer, [Event(0.5, "outcome", {"kind": "ignored"})])
    # Each line is there as soon as its turn is over.
    before, first, second = map(json.loads, path.read_text().splitlines())
    assert before == {"turn": 0}
    assert first == {
        "turn": 3,
        "time": "2026-01-02T03:04:05.678",
        "speaker": "Ana",
        "outcome": "answered",
        **metrics(PLAIN),
        **counts(PLAIN),
        "stale_ms": None,
        "queues": {"packets": 0, "tokens": 0, "audio_ms": 0, "dropped": 0},
        "usage": None,
        "ledger": pytest.approx(ledger(PLAIN), abs=1e-6),
    }
    assert list(first["ledger"]) == list(WAITS)
    assert second["outcome"] == "ignored"
    assert second["total_ttfa_ms"] is None
    assert second["ledger"] is None


def test_what_is_written_adds_up_to_the_microsecond(tmp_path: Path) -> None:
    slower = [attrs.evolve(event, t=event.t * 1.234567) for event in PLAIN]
    observer = LatencyLog(tmp_path / "latency.jsonl")
    play(observer, slower)
    line = json.loads((tmp_path / "latency.jsonl").read_text())
    charged = [Fraction(charge) for charge in line["ledger"].values()]
    assert len([charge for charge in charged if charge]) > 5
    assert abs(sum(charged) - Fraction(line["total_ttfa_ms"])) < Fraction(1, 1000)


@pytest.mark.parametrize(
    ("transcripts", "line"),
    [
        (False, "turn 3 Ana answered TTFA=1000ms ASR=50ms LLM=300ms TTS=100ms"),
        (
            True,
            (
                "turn 3 Ana answered 'what is that' "
                "TTFA=1000ms ASR=50ms LLM=300ms TTS=100ms"
            ),
        ),
    ],
)
def test_the_log_line_shows_words_only_if_asked(
    transcripts: bool, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    play(LatencyLog(None, transcripts), PLAIN)
    assert caplog.messages == [line]


def test_the_log_line_of_a_turn_without_a_reply(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    play(
        LatencyLog(None, transcripts=True), [Event(0.5, "outcome", {"kind": "ignored"})]
    )
    assert caplog.messages == ["turn 3 Ana ignored TTFA=- ASR=- LLM=- TTS=-"]


@attrs.define(eq=False)
class Bad:
    """Files that cannot be written."""

    folder: Path

    def path(self, kind: str) -> Path:
        paths: dict[str, Any] = {
            "a folder": self.folder,
            "no such folder": self.folder / "none/latency.jsonl",
            "full disk": FULL_DISK,
        }
        return paths[kind]


@pytest.mark.parametrize("kind", ["a folder", "no such folder", "full disk"])
def test_a_file_that_cannot_be_written_is_reported_once(
    kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = Bad(tmp_path).path(kind)
    if path == FULL_DISK and not path.exists():
        pytest.skip("this system has no /dev/full")
    caplog.set_level(logging.WARNING)
    observer = LatencyLog(path)
    play(observer, PLAIN)
    play(observer, PLAIN)
    assert len(caplog.messages) == 1
    assert str(path) in caplog.messages[0]
