"""An agent among fake parts, on a virtual clock."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from tests.fakes import (
    ANA,
    FakeLanguageModel,
    FakeRecognizer,
    FakeRoom,
    FakeSynthesizer,
    FakeVad,
    Vocabulary,
    WrittenFrame,
)
from trioagent import Agent, Config, Parts
from trioagent.config import PlaybackConfig, TurnConfig
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speaker
from trioagent.journal.events import Event, TurnJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WORD_S = 0.3
CONFIG = Config(
    turn=TurnConfig(hold_ms=300, min_hold_ms=300, max_hold_ms=300),
    playback=PlaybackConfig(fade_ms=0),
)


@attrs.define(eq=False)
class Scene:
    """An agent among fake parts, and what can be seen of it."""

    config: Config = CONFIG
    vocabulary: Vocabulary = attrs.Factory(Vocabulary)
    room: FakeRoom = attrs.Factory(FakeRoom)
    events: list[tuple[int, Event]] = attrs.Factory(list)
    recognizer: FakeRecognizer = attrs.field(init=False)
    model: FakeLanguageModel = attrs.Factory(FakeLanguageModel)
    synthesizer: FakeSynthesizer = attrs.field(init=False)
    agent: Agent = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.recognizer = FakeRecognizer(self.vocabulary)
        self.synthesizer = FakeSynthesizer(self.vocabulary)
        parts = Parts(
            self.room, FakeVad(), self.recognizer, self.model, self.synthesizer
        )
        self.agent = Agent(parts, self.config, [self._observe])

    def _observe(self, journal: TurnJournal, event: Event) -> None:
        self.events.append((journal.number, event))

    def names(self, turn: int) -> list[str]:
        return [event.name for number, event in self.events if number == turn]

    def find(self, name: str, turn: int = 1) -> Event:
        return next(e for n, e in self.events if n == turn and e.name == name)

    def words(self, text: str) -> Pcm:
        return self.vocabulary.speech(text, WORD_S, HEARING_RATE_HZ)

    async def say(self, text: str, speaker: Speaker = ANA, **how: object) -> None:
        await self.room.say(speaker, self.words(text), **how)

    @property
    def spoken(self) -> str:
        return self.vocabulary.read(self.room.spoken)

    @property
    def heard(self) -> list[tuple[str, str, str]]:
        return [(e.speaker, e.said, e.heard) for e in self.agent.history.exchanges]

    @property
    def talk_spurts(self) -> list[list[WrittenFrame]]:
        """The frames written, up to and with each that ended a talk spurt."""
        spurts: list[list[WrittenFrame]] = [[]]
        for frame in self.room.frames:
            spurts[-1].append(frame)
            if frame.last:
                spurts.append([])
        return [spurt for spurt in spurts if spurt]

    def idle(self) -> bool:
        busy = (
            self.recognizer.open_streams
            + self.model.open_requests
            + self.synthesizer.speaking
        )
        return not busy and not self.room.talk_open


@asynccontextmanager
async def running(scene: Scene) -> AsyncIterator[Scene]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.agent.run)
        yield scene
        nursery.cancel_scope.cancel()
    assert scene.idle()
