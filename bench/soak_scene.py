"""An agent among fakes that forget, for as many turns as one likes.

It is the fuzz tests' stage, whose people, troubles and words are used again; what that
one keeps for its checks (frames, events, prompts) is dropped here, so that whatever
grows is the agent's. Around the agent is what `trioagent` puts there: a chain of two
language models with its probes, and the log of latencies.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from tests.fakes import FakeVad
from tests.fuzz_stage import (
    FuzzLanguageModel,
    FuzzRecognizer,
    FuzzSynthesizer,
    Person,
    Stage,
)
from tests.test_fuzz import settled
from trioagent import Agent, Parts
from trioagent.chain import FallbackChain, Link
from trioagent.interfaces import SpeakerLeft, TextMessage
from trioagent.journal.latency import LatencyLog

if TYPE_CHECKING:
    import random

    from tests.fuzz_script import Action
    from trioagent.journal.events import Event, TurnJournal

PROBE = "trioagent are you still there"
NOTICE = "now it is another one."


@attrs.define(eq=False)
class SoakStage(Stage):
    """A stage that remembers counts alone."""

    latency_file: Path = attrs.field(kw_only=True)
    outcomes: Counter[str] = attrs.Factory(Counter)
    interrupted: Counter[str] = attrs.Factory(Counter)
    spare: FuzzLanguageModel = attrs.Factory(FuzzLanguageModel)
    chain: FallbackChain = attrs.field(init=False)
    latency: LatencyLog = attrs.field(init=False)
    _words: int = attrs.field(init=False)
    """How many the vocabulary has at first."""

    def __attrs_post_init__(self) -> None:
        self._words = len(self.vocabulary.words)
        self.recognizer = FuzzRecognizer(self.vocabulary)
        self.synthesizer = FuzzSynthesizer(self.vocabulary, word_s=0.1)
        self.chain = FallbackChain([Link(self.model), Link(self.spare, NOTICE)])
        self.latency = LatencyLog(self.latency_file)
        parts = Parts(
            self.room, FakeVad(), self.recognizer, self.chain, self.synthesizer
        )
        self.agent = Agent(parts, self.config, [self._count, self.latency])
        self.people = [Person(name) for name in ("Ana", "Ben", "Cleo")]

    @property
    def turns(self) -> int:
        """How many have ended."""
        return self.outcomes.total()

    @property
    def presences(self) -> int:
        """How often somebody came."""
        return self._last_id

    def _count(self, _journal: TurnJournal, event: Event) -> None:
        if event.name == "outcome":
            self.outcomes[event.data["kind"]] += 1
        elif event.name == "interrupted":
            self.interrupted[event.data["reason"]] += 1

    def forget(self) -> None:
        """Drop all that only a test would look at, and the words of guests' names."""
        del self.vocabulary.words[self._words :]
        self.room.frames.clear()
        self.room.ends.clear()
        for model in (self.model, self.spare):
            model.prompts.clear()
            model.replies.clear()

    async def run(self) -> None:
        """Run the agent and what belongs beside it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self.chain.run, name="probes")
            await self.agent.run()
            nursery.cancel_scope.cancel()


async def converse(stage: SoakStage, script: tuple[Action, ...]) -> None:
    """Hold one conversation to its end; the agent still answers after it.

    Raises:
        AssertionError: something of it does not end, or the agent is mute.
    """
    for person in stage.people[:2]:
        stage.join(person)
    for action in script:
        await action.do(stage)
    stage.heal()
    stage.spare.trouble.heal()
    await settled(stage)
    answered = stage.outcomes["answered"]
    # Nobody can think any more that this is an echo, or goes on with something.
    await trio.sleep(8)
    await stage.utter(stage.people[0], stage.words(PROBE))
    await settled(stage)
    if stage.people[0].speaker is not None:
        assert stage.outcomes["answered"] == answered + 1, "it does not answer"
    stage.forget()


async def visits(stage: SoakStage, rng: random.Random, count: int) -> None:
    """So many who never came before come, write or say something, and leave."""
    for _ in range(count):
        guest = Person(f"guest {rng.getrandbits(64):x}")
        stage.join(guest)
        if guest.speaker is not None:
            said = TextMessage(guest.speaker, "hello there", private=rng.random() < 0.5)
            stage.room.put(said)
        if rng.random() < 0.2:
            await stage.utter(guest, stage.words("hello what is that"))
            await trio.sleep(rng.random())
        if guest.speaker is not None and rng.random() < 0.5:
            # They go while they still speak, or right after.
            stage.nursery.start_soon(stage.utter, guest, stage.words("and so"))
            await trio.sleep(rng.random() / 4)
        if guest.speaker is not None:
            stage.room.put(SpeakerLeft(guest.speaker))
            guest.presence.cancel("left")
            guest.speaker = None
