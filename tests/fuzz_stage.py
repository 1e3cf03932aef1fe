"""An agent among fakes that can be made slow and can be made to fail, and people."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from tests.fakes import (
    FakeLanguageModel,
    FakeRecognizer,
    FakeRecognizerStream,
    FakeRoom,
    FakeSynthesizer,
    FakeVad,
    Vocabulary,
)
from trioagent import Agent, Config, Parts
from trioagent.errors import ProviderError
from trioagent.interfaces import (
    HEARING_RATE_HZ,
    Message,
    Pcm,
    Speaker,
    SpeakerLeft,
    Speech,
)
from trioagent.journal.events import Event, TurnJournal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

WORD_S = 0.16
# A word that fades out must not read as another one: the first numbers are nobody's.
UNUSED_NUMBERS = 20


@attrs.define(eq=False)
class Trouble:
    """What is wrong with a part: each of its steps waits, and some of them fail."""

    slow_s: float = 0.0
    fails_after: int | None = None
    """The step that fails, from now; None: none does."""
    failed: int = 0

    async def step(self) -> None:
        await trio.sleep(self.slow_s)
        if self.fails_after == 0:
            self.fails_after = None
            self.failed += 1
            raise ProviderError("fuzz")
        if self.fails_after is not None:
            self.fails_after -= 1

    def heal(self) -> None:
        self.slow_s, self.fails_after = 0.0, None


@attrs.define(eq=False)
class _Troubled:
    """The sending end of a channel, behind a part's trouble."""

    channel: trio.MemorySendChannel[object]
    trouble: Trouble

    async def send(self, value: object) -> None:
        await self.trouble.step()
        await self.channel.send(value)


@attrs.define(eq=False)
class FuzzRecognizer(FakeRecognizer):
    trouble: Trouble = attrs.Factory(Trouble)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[FuzzRecognizerStream]:
        async with FakeRecognizer.stream(self):
            yield FuzzRecognizerStream(self)


class FuzzRecognizerStream(FakeRecognizerStream):
    async def feed(self, pcm: Pcm) -> str:
        await self.owner.trouble.step()
        return await super().feed(pcm)

    async def finish(self) -> str:
        await self.owner.trouble.step()
        return await super().finish()


@attrs.define(eq=False)
class FuzzLanguageModel(FakeLanguageModel):
    trouble: Trouble = attrs.Factory(Trouble)

    async def reply(
        self, messages: Sequence[Message], tokens: trio.MemorySendChannel[str]
    ) -> None:
        asked = messages[-1].content
        last = asked.rpartition("\n")[2]
        self.replies[asked] = f"you said {last}. so it goes. that would be all."
        await super().reply(messages, _Troubled(tokens, self.trouble))


@attrs.define(eq=False)
class FuzzSynthesizer(FakeSynthesizer):
    trouble: Trouble = attrs.Factory(Trouble)

    async def synthesize(
        self, phrase: str, audio: trio.MemorySendChannel[Speech]
    ) -> None:
        await super().synthesize(phrase, _Troubled(audio, self.trouble))


@attrs.define(eq=False)
class Person:
    """Somebody who may be in the room; one mouth, whose talk leaves with them."""

    name: str
    speaker: Speaker | None = None
    mouth: trio.Lock = attrs.Factory(trio.Lock)
    presence: trio.CancelScope = attrs.Factory(trio.CancelScope)


@attrs.frozen(eq=False)
class Seen:
    """An event of a turn, and how many frames had gone out by then."""

    turn: int
    event: Event
    frames: int
    time: float


@attrs.define(eq=False)
class Stage:
    """An agent among fakes, people, and all that can be seen of it."""

    config: Config
    nursery: trio.Nursery
    vocabulary: Vocabulary = attrs.Factory(
        lambda: Vocabulary([f"#{number}" for number in range(UNUSED_NUMBERS)])
    )
    room: FakeRoom = attrs.Factory(FakeRoom)
    model: FuzzLanguageModel = attrs.Factory(FuzzLanguageModel)
    recognizer: FuzzRecognizer = attrs.field(init=False)
    synthesizer: FuzzSynthesizer = attrs.field(init=False)
    agent: Agent = attrs.field(init=False)
    people: list[Person] = attrs.field(init=False)
    seen: list[Seen] = attrs.Factory(list)
    written: dict[int, int] = attrs.Factory(dict)
    """Which exchange of the history each turn wrote."""
    _last_id: int = 0

    def __attrs_post_init__(self) -> None:
        self.recognizer = FuzzRecognizer(self.vocabulary)
        self.synthesizer = FuzzSynthesizer(self.vocabulary, word_s=0.1)
        parts = Parts(
            self.room, FakeVad(), self.recognizer, self.model, self.synthesizer
        )
        self.agent = Agent(parts, self.config, [self._observe])
        self.people = [Person(name) for name in ("Ana", "Ben", "Cleo")]

    def _observe(self, journal: TurnJournal, event: Event) -> None:
        self.note_written()
        now = trio.current_time()
        self.seen.append(Seen(journal.number, event, len(self.room.frames), now))

    def note_written(self) -> None:
        """A turn writes in the very step of its outcome: it was the last one seen."""
        for index in range(len(self.written), self.agent.history.version):
            last = self.seen[-1]
            assert last.event.name == "outcome", "written before it was over"
            assert last.turn not in self.written, "written twice"
            self.written[last.turn] = index

    def events(self, turn: int) -> list[Seen]:
        return [seen for seen in self.seen if seen.turn == turn]

    @property
    def turns(self) -> list[int]:
        return sorted({seen.turn for seen in self.seen})

    def join(self, person: Person) -> None:
        if person.speaker is None:
            self._last_id += 1
            person.speaker = Speaker(self._last_id, person.name)
            person.presence = trio.CancelScope()
            self.room.join(person.speaker)

    def leave(self, person: Person) -> None:
        if person.speaker is not None:
            self.room.put(SpeakerLeft(person.speaker))
            person.speaker = None
            person.presence.cancel("left")

    async def utter(self, person: Person, pcm: Pcm, **how: object) -> None:
        async with person.mouth:
            if person.speaker is not None:
                with person.presence:
                    await self.room.say(person.speaker, pcm, **how)
                # A scope is used once.
                if not person.presence.cancel_called:
                    person.presence = trio.CancelScope()

    def words(self, text: str) -> Pcm:
        return self.vocabulary.speech(text, WORD_S, HEARING_RATE_HZ)

    def heal(self) -> None:
        for part in (self.recognizer, self.model, self.synthesizer):
            part.trouble.heal()

    @property
    def busy(self) -> dict[str, int]:
        """What is open; empty when all is quiet."""
        found = {
            "turns": len(self.agent._running),
            "streams": self.recognizer.open_streams,
            "requests": self.model.open_requests,
            "synthesizer calls": self.synthesizer.speaking,
            "talk spurts": int(self.room.talk_open),
            "mouths": sum(p.mouth.locked() for p in self.people),
        }
        return {name: count for name, count in found.items() if count}
