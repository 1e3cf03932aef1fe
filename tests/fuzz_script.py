"""What may happen in a room, as values that Hypothesis can draw, shrink and show."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import attrs
import numpy as np
import trio
from hypothesis import strategies as st

from trioagent.interfaces import HEARING_RATE_HZ, LinkLost, LinkRestored, Pcm

if TYPE_CHECKING:
    from tests.fuzz_stage import Person, Stage

NOISE = 9999
REPLY_TIMEOUT_S = 4.0
PHRASES = (
    "hello", "weather", "i", "uh", "uh huh", "okay", "stop", "wait", "and", "what is",
    "that", "tell me more", "trioagent", "yes", "so it goes", "mm",
    "never mind the gap",
)  # fmt: skip
PARTS = ("recognizer", "model", "synthesizer")


class Action(Protocol):
    """One step of a script."""

    async def do(self, stage: Stage) -> None: ...


@attrs.frozen
class Wait:
    ms: int

    async def do(self, stage: Stage) -> None:
        await trio.sleep(self.ms / 1000)


@attrs.frozen
class UntilReply:
    """Wait until another frame goes out, and then a little."""

    ms: int

    async def do(self, stage: Stage) -> None:
        before = len(stage.room.frames)
        with trio.move_on_after(REPLY_TIMEOUT_S):
            while len(stage.room.frames) == before:  # noqa: ASYNC110 - no event here
                await trio.sleep(0.007)
        await trio.sleep(self.ms / 1000)


@attrs.frozen
class Say:
    """Begin to say something."""

    who: int
    text: str
    terminator: bool = True
    quiet_ms: int = 0

    async def do(self, stage: Stage) -> None:
        person, pcm = stage.people[self.who], stage.words(self.text)
        stage.nursery.start_soon(self._say, stage, person, pcm)

    async def _say(self, stage: Stage, person: Person, pcm: Pcm) -> None:
        quiet_s = self.quiet_ms / 1000
        await stage.utter(person, pcm, terminator=self.terminator, quiet_s=quiet_s)


@attrs.frozen
class Echo:
    """Somebody's loudspeaker feeds back the last words of the agent."""

    who: int
    words: int

    async def do(self, stage: Stage) -> None:
        spoken = stage.vocabulary.read(stage.room.spoken).split()
        await Say(self.who, " ".join(spoken[-self.words :])).do(stage)


@attrs.frozen
class Noise:
    """A cough, or worse: sound without words."""

    who: int
    ms: int
    terminator: bool = True

    async def do(self, stage: Stage) -> None:
        pcm = np.full(math.ceil(self.ms * HEARING_RATE_HZ / 1000), NOISE, np.int16)
        say = Say(self.who, "", self.terminator)
        stage.nursery.start_soon(say._say, stage, stage.people[self.who], pcm)


@attrs.frozen
class Slow:
    """A part takes so long for each step, until told otherwise."""

    part: str
    ms: int

    async def do(self, stage: Stage) -> None:
        getattr(stage, self.part).trouble.slow_s = self.ms / 1000


@attrs.frozen
class Break:
    """A part fails, so many of its steps from now."""

    part: str
    steps: int

    async def do(self, stage: Stage) -> None:
        getattr(stage, self.part).trouble.fails_after = self.steps


@attrs.frozen
class Leave:
    who: int

    async def do(self, stage: Stage) -> None:
        stage.leave(stage.people[self.who])


@attrs.frozen
class Join:
    who: int

    async def do(self, stage: Stage) -> None:
        stage.join(stage.people[self.who])


@attrs.frozen
class LoseLink:
    """Out of reach for so long; then the same people are there again."""

    ms: int

    async def do(self, stage: Stage) -> None:
        present = [p for p in stage.people if p.speaker is not None]
        stage.room.put(LinkLost("fuzz"))
        for person in present:
            stage.leave(person)
        await trio.sleep(self.ms / 1000)
        stage.room.put(LinkRestored())
        for person in present:
            stage.join(person)


people = st.sampled_from([0, 0, 1, 1, 2])
texts = st.lists(st.sampled_from(PHRASES), min_size=1, max_size=3).map(" ".join)
sounds = st.one_of(
    st.builds(Say, people, texts, st.booleans(), st.sampled_from([0, 60, 200])),
    st.builds(Noise, people, st.integers(20, 700), st.booleans()),
    st.builds(Echo, people, st.integers(1, 4)),
)
waits = st.one_of(
    st.builds(Wait, st.integers(0, 1500)), st.builds(UntilReply, st.integers(0, 900))
)
events = st.one_of(
    st.builds(Slow, st.sampled_from(PARTS), st.sampled_from([0, 30, 150, 400])),
    st.builds(Break, st.sampled_from(PARTS), st.integers(0, 12)),
    st.builds(Leave, people),
    st.builds(Join, people),
    st.builds(LoseLink, st.integers(0, 500)),
)
# Drawn as moments: a plain list of actions is mostly troubles that nobody meets.
moments = st.tuples(st.one_of(st.none(), st.none(), events), sounds, waits)
scripts: st.SearchStrategy[list[Action]] = st.lists(
    moments, min_size=3, max_size=10
).map(lambda drawn: [x for moment in drawn for x in moment if x is not None])
