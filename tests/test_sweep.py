"""A whole turn, interrupted before every one of its steps."""

from __future__ import annotations

import attrs
import pytest
import trio

from tests.fakes import (
    ANA,
    FakeLanguageModel,
    FakeRecognizer,
    FakeRoom,
    FakeSynthesizer,
    FakeVad,
    Vocabulary,
)
from tests.leaks import no_tasks_left
from tests.sweep import Trigger, sweep
from trioagent import Agent, Config, Parts
from trioagent.config import ChunkerConfig, PlaybackConfig, TurnConfig
from trioagent.interfaces import HEARING_RATE_HZ
from trioagent.journal.events import Event, TurnJournal

CONFIG = Config(
    turn=TurnConfig(hold_ms=200, min_hold_ms=200, max_hold_ms=200, pause_ms=60),
    chunker=ChunkerConfig(first_min_chars=1, min_chars=1),
    playback=PlaybackConfig(fade_ms=0),
)
SPOKEN_WORD_S = 0.08
REPLY_WORD_S = 0.06
ASKED = "what is that"
REPLY = "A bird. It sings. How nice."


@attrs.define(eq=False)
class Stage:
    """An agent among fakes whose first turn is watched."""

    vocabulary: Vocabulary = attrs.Factory(Vocabulary)
    room: FakeRoom = attrs.Factory(FakeRoom)
    model: FakeLanguageModel = attrs.field(init=False)
    recognizer: FakeRecognizer = attrs.field(init=False)
    synthesizer: FakeSynthesizer = attrs.field(init=False)
    agent: Agent = attrs.field(init=False)
    events: list[Event] = attrs.Factory(list)
    """Of the first turn."""
    outcome_at: int | None = None
    """How many frames had gone out when the first turn was over."""
    interrupted_at: int | None = None
    interrupted_t: float = 0.0

    def __attrs_post_init__(self) -> None:
        vocabulary = self.vocabulary
        self.model = FakeLanguageModel({ASKED: REPLY}, first_token_s=0.03)
        self.recognizer = FakeRecognizer(vocabulary, lag_s=0.02)
        self.synthesizer = FakeSynthesizer(vocabulary, word_s=REPLY_WORD_S)
        parts = Parts(
            self.room, FakeVad(), self.recognizer, self.model, self.synthesizer
        )
        self.agent = Agent(parts, CONFIG, [self._observe])

    def _observe(self, journal: TurnJournal, event: Event) -> None:
        if journal.number == 1:
            self.events.append(event)
            if event.name == "outcome":
                self.outcome_at = len(self.room.frames)

    def interrupt(self) -> None:
        """Called by the trigger, between two steps."""
        for turn in tuple(self.agent._running):
            if turn.journal.number == 1:
                self.interrupted_at = len(self.room.frames)
                self.interrupted_t = turn.journal.since(trio.current_time())
                turn.interrupt("sweep")

    async def say(self, text: str) -> None:
        pcm = self.vocabulary.speech(text, SPOKEN_WORD_S, HEARING_RATE_HZ)
        await self.room.say(ANA, pcm, terminator=False)

    @property
    def names(self) -> list[str]:
        return [event.name for event in self.events]

    @property
    def left_open(self) -> int:
        return (
            self.recognizer.open_streams
            + self.model.open_requests
            + self.synthesizer.speaking
            + self.room.talk_open
        )


async def one_turn(stage: Stage, trigger: Trigger) -> None:
    """Speech with a pause in it, whose draft is discarded; a reply of three phrases."""
    trigger.arm(stage.interrupt)
    await stage.say("what is")
    await trio.sleep(0.15)
    await stage.say("that")
    await trio.sleep(1.5)
    trigger.disarm()


def check_first_turn(stage: Stage) -> None:
    """It ended, at once and with a value; what was heard is what went out."""
    assert stage.names.count("outcome") == 1
    frames = stage.outcome_at
    outcome = stage.events[-1]
    assert outcome.name == "outcome"
    if stage.interrupted_at is not None:
        assert frames == stage.interrupted_at, "a frame went out after the interrupt"
        assert outcome.data["kind"] in ("interrupted", "answered")
        assert outcome.t == pytest.approx(stage.interrupted_t), "it took time to end"
    sounded = [f.pcm for f in stage.room.frames[:frames]]
    check_heard(stage, sum(map(len, sounded)) / stage.synthesizer.rate_hz)


def check_heard(stage: Stage, played_s: float) -> None:
    finals = [e.data["text"] for e in stage.events if e.name == "final"]
    written = [e for e in stage.agent.history.exchanges if e.said in finals]
    if not finals:
        assert played_s == 0
        return
    # The transcript may be there, and the turn over before anybody took it.
    if not written:
        assert played_s == 0
        return
    (exchange,) = written
    assert exchange.said == ASKED
    heard = exchange.heard.split()
    assert REPLY.split()[: len(heard)] == heard
    played_words = int(played_s / REPLY_WORD_S + 1e-6)
    # A word counts once the next one, or the end of its phrase, shows that it ended.
    assert played_words - 1 <= len(heard) <= played_words


async def scenario(trigger: Trigger) -> None:
    stage = Stage()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(stage.agent.run)
        await trio.testing.wait_all_tasks_blocked()
        async with no_tasks_left():
            await one_turn(stage, trigger)
            check_first_turn(stage)
            assert not stage.left_open
        if trigger.at is None:
            assert stage.names.count("draft_discarded") == 1
            assert stage.names.count("phrase") >= 3
            assert stage.vocabulary.read(stage.room.spoken) == REPLY
        before = len(stage.room.frames)
        await stage.say("once more")
        await trio.sleep(3)
        again = b"".join(f.pcm.tobytes() for f in stage.room.frames[before:])
        assert again, "the next utterance was not answered"
        assert stage.agent.history.exchanges[-1].said == "once more"
        assert stage.agent.history.exchanges[-1].heard.endswith("once more.")
        assert not stage.left_open
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("seed", [1, 2])
def test_a_turn_interrupted_anywhere_leaves_nothing_behind(seed: int) -> None:
    runs = sweep(scenario, seed)
    assert runs > 150
