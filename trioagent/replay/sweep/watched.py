"""An agent and its parts, watched: who has what open, whose frames go out.

They do what the agent and the recorded parts do, in the same steps.
"""
# ruff: noqa: SLF001 - looks at what an agent keeps to itself

from __future__ import annotations

import contextlib
import math
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.agent import Agent, Parts
from trioagent.interfaces import (
    FRAME_S,
    LanguageModel,
    Recognizer,
    Synthesizer,
)
from trioagent.journal.events import CURRENT_TURN, current_turn
from trioagent.outcome import Outcome
from trioagent.replay.room import ReplayedRoom
from trioagent.turn import Turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from trioagent.floor import Floor
    from trioagent.interfaces import (
        Message,
        Outlet,
        Pcm,
        RecognizerStream,
        Speech,
        Usage,
    )


def turn_of(task: trio.lowlevel.Task) -> int:
    """The turn to which a task belongs, or which started it; 0 if none did."""
    journal = task.context.get(CURRENT_TURN)
    return 0 if journal is None else journal.number


# --- the room --------------------------------------------------------------------


@attrs.define(eq=False)
class WatchedRoom(ReplayedRoom):
    """Knows whose each frame was. Before it closes, it calls `at_end`."""

    at_end: Callable[[], Awaitable[None]] | None = None
    sent: Counter[int] = attrs.Factory(Counter)
    """How many frames each turn has written."""
    last_sent: dict[int, float] = attrs.Factory(dict)
    """When each turn wrote its last one."""
    talking: int | None = None
    """Whose talk spurt is open."""

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:
        """Note it."""
        super().write(frame, rate_hz, last=last)
        turn = current_turn()
        self.sent[turn] += 1
        self.last_sent[turn] = trio.current_time()
        self.talking = None if last else turn

    def end_talk(self) -> None:
        """Note it."""
        self.talking = None

    async def _settle(self) -> None:
        await super()._settle()
        if self.at_end is not None:
            await self.at_end()


# --- models ----------------------------------------------------------------------


@attrs.define(eq=False)
class OpenCalls:
    """What is asked of models now, by turn and kind."""

    counts: dict[int, Counter[str]] = attrs.Factory(lambda: defaultdict(Counter))

    @contextlib.contextmanager
    def during(self, what: str) -> Iterator[None]:
        """One more, of the turn whose task this is."""
        of_turn = self.counts[current_turn()]
        of_turn[what] += 1
        try:
            yield
        finally:
            of_turn[what] -= 1

    def of(self, turn: int) -> list[str]:
        """What this turn has open."""
        return [what for what, count in self.counts[turn].items() if count]

    def turns(self) -> list[int]:
        """The turns that have anything open."""
        return [turn for turn in self.counts if self.of(turn)]


def watched_parts(parts: Parts, calls: OpenCalls) -> Parts:
    """The same parts; what is asked of models is noted in `calls`."""
    return Parts(
        parts.room,
        parts.vad,
        _Recognizer(parts.recognizer, calls),
        _LanguageModel(parts.language_model, calls),
        _Synthesizer(parts.synthesizer, calls),
    )


@attrs.frozen(eq=False)
class _Recognizer:
    recognizer: Recognizer
    calls: OpenCalls

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[RecognizerStream]:
        with self.calls.during("recognizer stream"):
            async with self.recognizer.stream() as stream:
                yield stream


@attrs.frozen(eq=False)
class _LanguageModel:
    model: LanguageModel
    calls: OpenCalls

    @property
    def name(self) -> str:
        return self.model.name

    async def check(self) -> None:
        await self.model.check()

    async def reply(
        self, messages: Sequence[Message], tokens: Outlet[str]
    ) -> Usage | None:
        with self.calls.during("request"):
            return await self.model.reply(messages, tokens)


@attrs.frozen(eq=False)
class _Synthesizer:
    synthesizer: Synthesizer
    calls: OpenCalls

    @property
    def rate_hz(self) -> int:
        return self.synthesizer.rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        with self.calls.during("phrase"):
            await self.synthesizer.synthesize(phrase, audio)


# --- the agent -------------------------------------------------------------------


@attrs.frozen(eq=False)
class Ending:
    """How a turn ended."""

    turn: Turn
    outcome: Outcome

    @property
    def frames(self) -> int:
        """How many frames the reply says that were taken from it."""
        played = self.turn._played
        if played is None:
            return 0
        size = played.buffer.rate_hz * FRAME_S
        return math.ceil(round(played.buffer.cursor / size, 9))

    @property
    def heard(self) -> str:
        """What the reply says that was heard of it."""
        played = self.turn._played
        return "" if played is None else played.buffer.heard()


@attrs.define(eq=False)
class WatchedAgent(Agent):
    """Keeps how its turns ended."""

    endings: list[Ending] = attrs.Factory(list)

    def interrupt(self, turn: int, reason: str) -> None:
        """Interrupt this turn, if it runs."""
        for running in tuple(self._running):
            if running.journal.number == turn:
                running.interrupt(reason)

    @property
    def floor(self) -> Floor:
        """Who may speak."""
        return self._conversation.floor

    @property
    def newest(self) -> list[int]:
        """The turns that are their speakers' newest, and not over."""
        return [turn.journal.number for turn in self._turns.values()]

    @property
    def running(self) -> list[int]:
        """The turns that run."""
        return [turn.journal.number for turn in self._running]

    def _write_down(self, turn: Turn, outcome: Outcome) -> None:
        super()._write_down(turn, outcome)
        self.endings.append(Ending(turn, outcome))
