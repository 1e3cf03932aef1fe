"""Listening on a virtual clock: no change goes unseen, whenever it comes."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from trioagent.config import TurnConfig
from trioagent.interfaces import FRAME_S, HEARING_RATE_HZ, Pcm
from trioagent.journal.events import TurnJournal
from trioagent.stages.listening import Listening
from trioagent.stages.transcripts import Final, Pause, Transcript
from trioagent.utterances import HeardAudio, Utterance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

FRAME = np.zeros(round(FRAME_S * HEARING_RATE_HZ), np.int16)
EARLY, LATE = "tell me", "what time is it"


@attrs.define(eq=False)
class Undecided:
    """A recognizer that changes its mind when it has thought about the silence."""

    thinks_s: float

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Undecided]:
        yield self

    async def feed(self, pcm: Pcm) -> str:
        flushed = len(pcm) > 10 * len(FRAME)
        await trio.sleep(self.thinks_s if flushed else 0)
        return LATE if flushed else EARLY

    async def finish(self) -> str:
        await trio.lowlevel.checkpoint()
        return LATE


class NoClaim:
    """Nobody else is speaking."""

    def voice(self, speech_s: float, text: str) -> None: ...
    def words(self, speech_s: float, text: str) -> None: ...
    def pause(self, text: str) -> None: ...


@pytest.mark.parametrize("thinks_s", [0.01, 0.07, 0.08, 0.09, 0.15, 0.27])
@pytest.mark.parametrize("busy_s", [0.0, 0.2, 0.28, 0.3, 0.4])
async def test_words_that_shorten_the_hold_in_mid_pause_are_seen(
    busy_s: float, thinks_s: float, autojump_clock: MockClock
) -> None:
    """Whoever takes the pause may be busy: the words can change before they do."""
    config = TurnConfig(hold_ms=500, min_hold_ms=200)
    journal = TurnJournal(1, "ana", "now", ())
    listening = Listening(Undecided(thinks_s), config, journal, NoClaim())
    audio = Utterance(100)
    utterances_in, utterances = trio.open_memory_channel[Utterance](1)
    transcripts_in, transcripts = trio.open_memory_channel[Transcript](0)
    found: list[Transcript] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listening.run, utterances, transcripts_in)
        utterances_in.send_nowait(audio)
        for _ in range(10):
            packet = HeardAudio(FRAME, True, False, trio.current_time())
            audio.put(packet)
            await trio.sleep(FRAME_S)
        spoken_s = trio.current_time()
        await trio.sleep(busy_s)
        with trio.fail_after(5):
            while not isinstance(found[-1] if found else None, Final):
                found.append(await transcripts.receive())
        assert trio.current_time() - spoken_s < 0.6
        nursery.cancel_scope.cancel()
    assert found[0] == Pause(EARLY)
    assert found[-1] == Final(LATE)


async def test_packets_that_found_no_room_count_over_all_utterances(
    autojump_clock: MockClock,
) -> None:
    journal = TurnJournal(1, "ana", "now", ())
    listening = Listening(Undecided(0.01), TurnConfig(), journal, NoClaim())
    utterances_in, utterances = trio.open_memory_channel[Utterance](2)
    transcripts_in, transcripts = trio.open_memory_channel[Transcript](9)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listening.run, utterances, transcripts_in)
        for dropped in ([0, 3, 1], [2, 0]):
            audio = Utterance(3)
            utterances_in.send_nowait(audio)
            for count in dropped:
                packet = HeardAudio(FRAME, True, False, trio.current_time(), count)
                audio.put(packet)
            await trio.sleep(2)
        nursery.cancel_scope.cancel()
    assert journal.peaks == {"packets": 3, "dropped": 6}
    transcripts.close()
