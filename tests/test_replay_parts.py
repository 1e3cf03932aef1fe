"""Recorded parts give again what they gave then, even if asked otherwise."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio

from tests.helpers_replay import record, recordings
from tests.replay_stories import answered
from trioagent.interfaces import Message, Speech
from trioagent.recording import format as f
from trioagent.replay.parts import (
    Missing,
    ReplayedLanguageModel,
    ReplayedStream,
    ReplayedSynthesizer,
)

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from trioagent.recording.recording import Recording

PCM = np.zeros(320, np.int16)


def stream(*given: f.Fed | f.Finished | f.StreamFailed) -> ReplayedStream:
    return ReplayedStream(deque(given), lambda _time: None)


FIRST = f.Fed(0.1, 1, 0.0, 320, "what")
SECOND = f.Fed(0.6, 1, 0.5, 640, "what time")
LAST = f.Finished(1.5, 1, 1.4, "what time is it")


async def test_two_feeds_that_were_one_then(autojump_clock: MockClock) -> None:
    replayed = stream(FIRST, SECOND, LAST)
    assert await replayed.feed(PCM) == "what"
    assert trio.current_time() == 0.1
    # The next was asked for much later: this audio was in the first.
    assert await replayed.feed(PCM) == "what"
    assert trio.current_time() == 0.1
    await trio.sleep_until(0.495)
    assert await replayed.feed(PCM) == "what time"
    assert await replayed.feed(PCM) == "what time"
    assert trio.current_time() == 0.6
    assert await replayed.finish() == "what time is it"
    assert trio.current_time() == 1.5


async def test_one_feed_that_was_two_then(autojump_clock: MockClock) -> None:
    replayed = stream(FIRST, SECOND, LAST)
    assert await replayed.feed(PCM) == "what"
    assert await replayed.finish() == "what time is it"


async def test_what_was_cancelled_waits_to_be_cancelled(
    autojump_clock: MockClock,
) -> None:
    with trio.move_on_after(1000) as scope:
        await stream(FIRST).finish()
    assert scope.cancelled_caught


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    record(tmp_path, answered)
    return recordings(tmp_path)[0]


@pytest.mark.parametrize("about", ["what", ""])
async def test_what_nobody_asked_for_then_is_missing(
    about: str, recording: Recording, autojump_clock: MockClock
) -> None:
    tokens, _ = trio.open_memory_channel[str](0)
    audio, _ = trio.open_memory_channel[Speech](0)
    model = ReplayedLanguageModel(recording, lambda _time: None)
    synthesizer = ReplayedSynthesizer(recording, lambda _time: None)
    with tokens, audio:
        with pytest.raises(Missing, match=f"something else than then: '{about}'"):
            await model.reply([Message("user", about)], tokens)
        with pytest.raises(Missing, match=f"something else than then: '{about}'"):
            await synthesizer.synthesize(about, audio)
    assert synthesizer.rate_hz == recording.header.synthesizer_rate_hz
    assert model.name == "fake"
