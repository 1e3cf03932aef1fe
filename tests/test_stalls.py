"""An agent that is behind does not take its own lateness for somebody's silence."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import numpy as np
import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from providers.rooms.mumble.inbox import MAX_AT_ONCE, EventInbox
from tests.fakes import ANA
from trioagent.config import TurnConfig, VadConfig
from trioagent.decisions.endpointing import Endpointer, Speaking
from trioagent.ear import Ear
from trioagent.interfaces import FRAME_S, HEARING_RATE_HZ, Pcm, VoicePacket
from trioagent.journal.events import Event, TurnJournal
from trioagent.stages.listening import Listening
from trioagent.stages.stalls import ROUNDS_TO_HEAR
from trioagent.stages.transcripts import Transcript
from trioagent.utterances import HeardAudio, Utterance

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock

FRAME = np.zeros(round(FRAME_S * HEARING_RATE_HZ), np.int16)
CONFIG = TurnConfig(hold_ms=500, pause_ms=120, packet_gap_ms=80)
SOON_S = 1e-6
STALL_S = 0.6
BEHIND_S = 1.5


class Attentive:
    """A recognizer that understands one thing."""

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Attentive]:
        yield self

    async def feed(self, pcm: Pcm) -> str:
        await trio.lowlevel.checkpoint()
        return "frank tell me"

    async def finish(self) -> str:
        await trio.lowlevel.checkpoint()
        return "frank tell me"


class NoClaim:
    """Nobody else is speaking."""

    def voice(self, speech_s: float, text: str) -> None: ...
    def words(self, speech_s: float, text: str) -> None: ...
    def pause(self, text: str) -> None: ...


def heard_late(late_s: float) -> Endpointer:
    """One who spoke for 200 ms up to now, heard by an agent that is behind."""
    endpointer = Endpointer(CONFIG, 0.0)
    for n in range(1, 11):
        endpointer.heard(n * FRAME_S, speech=True, ends_talk=False, late_s=late_s)
    return endpointer


def test_speech_that_waited_is_followed_by_more_that_waits() -> None:
    endpointer, said = heard_late(BEHIND_S), 10 * FRAME_S
    assert endpointer.last_speech == pytest.approx(said)
    assert endpointer.state(said + BEHIND_S) is Speaking.SPEAKING
    assert endpointer.state(said + BEHIND_S + 0.2) is Speaking.PAUSED
    end = said + BEHIND_S + CONFIG.hold_ms / 1000
    assert endpointer.state(end - SOON_S) is Speaking.PAUSED
    assert endpointer.state(end + SOON_S) is Speaking.ENDED


def test_who_is_heard_in_time_again_has_their_own_hold() -> None:
    endpointer, said = heard_late(BEHIND_S), 10 * FRAME_S
    endpointer.heard(said + FRAME_S, speech=False, ends_talk=True, late_s=0.0)
    assert endpointer.state(said + 0.5 + SOON_S) is Speaking.ENDED


@pytest.mark.parametrize("late_s", [0.0, 0.01, 0.08])
def test_what_jitter_explains_costs_nothing(late_s: float) -> None:
    endpointer, said = heard_late(late_s), 10 * FRAME_S
    assert endpointer.state(said + 0.5 + SOON_S) is Speaking.ENDED


class Loud:
    """A detector to which all is speech."""

    frame_samples = len(FRAME)

    def probability(self, frame: Pcm) -> float:
        return 1.0

    def reset(self) -> None: ...


def test_the_ear_tells_how_late_it_heard() -> None:
    opened: list[Utterance] = []
    ear = Ear(
        ANA,
        VadConfig(),
        lambda _who, audio: opened.append(audio),
        lambda: True,
        vad=Loud(),
    )
    ear.hear(VoicePacket(ANA, FRAME, ends_talk=False, time=1.0), BEHIND_S)
    assert opened[0].receive_nowait().late_s == BEHIND_S


@pytest.mark.parametrize("rounds", range(ROUNDS_TO_HEAR - 2))
async def test_a_stall_of_the_loop_is_no_silence(
    rounds: int, mock_clock: MockClock
) -> None:
    """Timer and socket are due in the same moment; the packet has a way to go."""
    events: list[Event] = []
    journal = TurnJournal(1, "ana", "now", (lambda _turn, event: events.append(event),))
    audio = Utterance(100)

    async def read_socket() -> None:
        await trio.sleep(STALL_S / 2)
        for _ in range(rounds):
            await trio.lowlevel.checkpoint()
        audio.put(HeardAudio(FRAME, True, False, trio.current_time()))

    utterances_in, utterances = trio.open_memory_channel[Utterance](1)
    transcripts_in, transcripts = trio.open_memory_channel[Transcript](9)
    listening = Listening(Attentive(), CONFIG, journal, NoClaim())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(listening.run, utterances, transcripts_in)
        utterances_in.send_nowait(audio)
        for _ in range(10):
            audio.put(HeardAudio(FRAME, True, False, trio.current_time()))
            await wait_all_tasks_blocked()
            mock_clock.jump(FRAME_S)
        nursery.start_soon(read_socket)
        await wait_all_tasks_blocked()
        mock_clock.jump(STALL_S)  # more than the hold
        await wait_all_tasks_blocked()
        assert "speech_ended" not in [event.name for event in events]
        said = trio.current_time()
        for _ in range(60):
            mock_clock.jump(0.01)
            await wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    (ended,) = [event for event in events if event.name == "speech_ended"]
    assert ended.data["last_speech"] == pytest.approx(journal.since(said))
    assert ended.t == pytest.approx(journal.since(said) + 0.5, abs=0.011)
    transcripts.close()


async def test_a_reader_that_is_behind_catches_up_and_lets_others_run() -> None:
    """One event a round would be all that a busy loop ever takes."""
    inbox, count, turns = EventInbox(), 20 * MAX_AT_ONCE, 0
    for n in range(count):
        inbox.put(VoicePacket(ANA, FRAME, ends_talk=False, time=float(n)))
    read: list[float] = []

    async def others() -> None:
        nonlocal turns
        while len(read) < count:
            turns += 1
            await trio.lowlevel.checkpoint()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(others)
        async for event in inbox:
            assert isinstance(event, VoicePacket)
            read.append(event.time)
            if len(read) == count:
                break
    assert read == [float(n) for n in range(count)]
    assert count / MAX_AT_ONCE / 2 < turns < count / MAX_AT_ONCE + 3


async def test_no_event_is_lost_if_the_reader_is_cancelled_between_two() -> None:
    inbox = EventInbox()
    for n in range(3):
        inbox.put(VoicePacket(ANA, FRAME, ends_talk=False, time=float(n)))
    await inbox.receive()
    with trio.CancelScope() as scope:
        scope.cancel()
        await inbox.receive()
    assert scope.cancelled_caught
    assert inbox.waiting == 2
