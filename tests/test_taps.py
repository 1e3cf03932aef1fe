"""Tapped parts behave as the parts, and what goes through is noted as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import attrs
import pytest
import trio

from tests.fakes import (
    ANA,
    FakeRoom,
    FakeSynthesizer,
    FakeVad,
    Vocabulary,
)
from tests.helpers_taps import PCM, ListTape
from trioagent.interfaces import (
    LinkLost,
    Speaker,
    SpeakerJoined,
    SpeakerLeft,
    Speech,
    WordMark,
)
from trioagent.journal.events import CURRENT_TURN, TurnJournal
from trioagent.recording import format as f
from trioagent.recording.model_taps import TappedSynthesizer
from trioagent.recording.taps import TappedDetector, TappedRoom

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trio.testing import MockClock


@pytest.fixture
def tape() -> ListTape:
    return ListTape()


@pytest.fixture
def vocabulary() -> Vocabulary:
    return Vocabulary()


@pytest.fixture
async def turn_5() -> AsyncIterator[None]:
    token = CURRENT_TURN.set(TurnJournal(5, "Ana", "now"))
    yield
    CURRENT_TURN.reset(token)


# --- the synthesizer -------------------------------------------------------------


@attrs.define(eq=False)
class Threaded(FakeSynthesizer):
    """Works in a thread, and hands its pieces over from there."""

    how: str = "run"

    async def synthesize(self, phrase: str, audio: Any) -> None:
        pieces = [Speech(PCM * n, (WordMark(n, 7),)) for n in (1, 2)]

        def work() -> None:
            for piece in pieces:
                if self.how == "run":
                    trio.from_thread.run(audio.send, piece)
                else:
                    trio.from_thread.run_sync(audio.send_nowait, piece)

        await trio.to_thread.run_sync(work)


@pytest.mark.parametrize("how", ["run", "run_sync"])
async def test_speech_from_a_thread(
    how: str, tape: ListTape, vocabulary: Vocabulary, turn_5: None
) -> None:
    tapped = TappedSynthesizer(Threaded(vocabulary, how=how), tape)
    send, receive = trio.open_memory_channel[Speech](5)
    with send, receive:
        await tapped.synthesize("good morning", send)
        taken = [receive.receive_nowait() for _ in range(2)]
    assert [int(speech.pcm[-1]) for speech in taken] == [320, 640]
    said, *sounds, done = tape.entries
    assert isinstance(said, f.ToSay)
    assert (said.phrase, said.turn, said.text) == (1, 5, "good morning")
    assert [(s.phrase, s.samples, s.words) for s in sounds] == [
        (1, 320, ((1, 7),)),
        (1, 320, ((2, 7),)),
    ]
    assert all(s.offered <= s.t for s in sounds)
    assert isinstance(done, f.Said)
    assert done.how == "done"
    assert [stem for stem, _ in tape.audio] == ["synthesized", "synthesized"]
    assert all(a is b.pcm for (_, a), b in zip(tape.audio, taken, strict=True))


async def test_what_finds_no_room_is_not_noted(
    tape: ListTape, vocabulary: Vocabulary
) -> None:
    tapped = TappedSynthesizer(Threaded(vocabulary, how="run_sync"), tape)
    send, receive = trio.open_memory_channel[Speech](1)
    with send, receive, pytest.raises(trio.WouldBlock):
        await tapped.synthesize("good morning", send)
    kinds = [type(entry) for entry in tape.entries]
    assert kinds == [f.ToSay, f.Sound, f.Said]
    assert tape.entries[-1].how == "crashed"


async def test_a_cancelled_phrase_claims_no_end(
    tape: ListTape, vocabulary: Vocabulary, autojump_clock: MockClock
) -> None:
    synthesizer = FakeSynthesizer(vocabulary)
    assert TappedSynthesizer(synthesizer, tape).rate_hz == synthesizer.rate_hz
    send, receive = trio.open_memory_channel[Speech](1)
    with trio.move_on_after(1), send, receive:
        await TappedSynthesizer(synthesizer, tape).synthesize("one two", send)
    assert synthesizer.speaking == 0
    assert [type(entry) for entry in tape.entries] == [f.ToSay, f.Sound]


# --- the room and the detector ---------------------------------------------------


async def test_events_are_shown_when_they_are_taken(tape: ListTape) -> None:
    room = FakeRoom()
    events = TappedRoom(room, tape).events
    room.join(ANA)
    room.put(LinkLost("gone"))
    room.put(SpeakerLeft(ANA))
    assert tape.events == []
    assert await events.receive() == SpeakerJoined(ANA)
    assert tape.events == [SpeakerJoined(ANA)]
    assert events.receive_nowait() == LinkLost("gone")
    assert len(tape.events) == 2
    room.close()
    assert [event async for event in events] == [SpeakerLeft(ANA)]
    assert tape.events == [SpeakerJoined(ANA), LinkLost("gone"), SpeakerLeft(ANA)]
    with pytest.raises(trio.EndOfChannel):
        events.receive_nowait()
    with pytest.raises(trio.EndOfChannel):
        await events.receive()


def test_the_rooms_figures_are_passed_on(tape: ListTape) -> None:
    """Or the watchdog would not see that nobody takes the room's events."""

    class Telling(FakeRoom):
        figures: ClassVar = {"inbox_waiting": 7}

    assert TappedRoom(Telling(), tape).figures == {"inbox_waiting": 7}
    assert TappedRoom(FakeRoom(), tape).figures == {}


def test_nothing_to_take_is_nothing_noted(tape: ListTape) -> None:
    events = TappedRoom(FakeRoom(), tape).events
    with pytest.raises(trio.WouldBlock):
        events.receive_nowait()
    assert tape.events == []


async def test_frames_and_the_end_of_talk(
    tape: ListTape, autojump_clock: MockClock
) -> None:
    room = FakeRoom()
    tapped = TappedRoom(room, tape)
    assert (tapped.name, tapped.address) == (room.name, room.address)
    assert tapped.frame_rate_hz(22_050) == 22_050
    tapped.end_talk()
    tapped.write(PCM, 16_000)
    await trio.sleep(0.5)
    tapped.end_talk()
    tapped.end_talk()
    tapped.write(PCM, 16_000, last=True)
    tapped.end_talk()
    assert [(x.time, x.last) for x in room.frames] == [(0.0, False), (0.5, True)]
    assert room.ends == [0.5]
    assert tape.entries == [
        f.Frame(0.0, 320),
        f.TalkEnded(0.5),
        f.Frame(0.5, 320, last=True),
    ]
    assert [stem for stem, _ in tape.audio] == ["spoken", "spoken"]


async def test_what_is_written_in_the_channel_is_sent_and_not_noted(
    tape: ListTape,
) -> None:
    sent = []

    class Writing(FakeRoom):
        async def send_text(self, text: str, to: Speaker | None = None) -> None:
            sent.append(text)

    await TappedRoom(Writing(), tape).send_text("hello")
    assert sent == ["hello"]
    assert tape.entries == []


def test_the_detectors_word_is_noted(tape: ListTape) -> None:
    resets = []

    class Vad(FakeVad):
        def reset(self) -> None:
            resets.append(1)

    stream = TappedDetector(Vad(), tape).stream()
    assert stream.frame_samples == FakeVad.frame_samples
    assert [stream.probability(PCM), stream.probability(PCM * 0)] == [1.0, 0.0]
    assert tape.probabilities == [1.0, 0.0]
    stream.reset()
    assert resets == [1]
