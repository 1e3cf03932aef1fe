"""The recordings that come with the tests: each a turn on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from trioagent.journal.latency import metrics
from trioagent.journal.ledger import ledger
from trioagent.recording.reader import find, load
from trioagent.replay.again import again
from trioagent.replay.compare import compare
from trioagent.replay.settings import recorded_config

FOLDER = Path(__file__).parent / "recordings"
RECORDINGS = find([FOLDER])
MICROSECOND_MS = 0.001


def test_they_are_some_and_small() -> None:
    files = [path for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(len(load(path).turns) for path in RECORDINGS) >= 20
    assert sum(path.stat().st_size for path in files) < 5_000_000


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_runs_again_as_it_was(path: Path, seed: int) -> None:
    recording = load(path)
    results = compare(recording, again(recording, recorded_config(recording), seed))
    assert [result for result in results if not result.identical] == []


@pytest.mark.parametrize("path", RECORDINGS, ids=lambda path: path.name)
def test_every_millisecond_until_the_first_audio_is_charged_once(path: Path) -> None:
    recording = load(path)
    sounded = 0
    for turn in recording.turns:
        events = recording.events(turn)
        charges, total_ms = ledger(events), metrics(events)["total_ttfa_ms"]
        if total_ms is None:
            assert charges is None
            continue
        assert charges is not None
        sounded += 1
        assert sum(charges.values()) == pytest.approx(total_ms, abs=MICROSECOND_MS)
        assert min(charges.values()) >= 0
    assert sounded
