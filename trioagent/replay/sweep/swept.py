"""One run of a recording in which one turn is interrupted, and the rules it must keep.

What the recording does not know, after the interrupt, fails with `Missing`, or waits
until it is cancelled: that is no fault of the agent's.
"""
# ruff: noqa: SLF001 - looks at what the floor keeps to itself

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.config import Config
from trioagent.decisions.history import Exchange
from trioagent.errors import ProviderError
from trioagent.journal.events import TurnJournal
from trioagent.outcome import Failed, Ignored
from trioagent.recording import format as f
from trioagent.recording.recording import Recording
from trioagent.replay.again import ears, memory
from trioagent.replay.clock import VirtualClock
from trioagent.replay.parts import replayed_parts
from trioagent.replay.sweep.steps import Trigger, before_a_step, living_tasks
from trioagent.replay.sweep.watched import (
    OpenCalls,
    WatchedAgent,
    WatchedRoom,
    turn_of,
    watched_parts,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trioagent.journal.events import Event
    from trioagent.replay.sweep.watched import Ending

# Once this has gone by on a virtual clock, all that was ready to run has run.
SETTLED_S = 0.001
REASON = "sweep"


@attrs.define(eq=False)
class SweptRun(trio.abc.Instrument):
    """The agent in a recording; the trigger says when `turn` is interrupted.

    Attributes:
        broken: The rules that were broken, as sentences.
    """

    recording: Recording
    config: Config
    turn: int
    trigger: Trigger
    clock: VirtualClock
    broken: list[str] = attrs.Factory(list)
    _room: WatchedRoom = attrs.field(init=False)
    _calls: OpenCalls = attrs.Factory(OpenCalls)
    _agent: WatchedAgent = attrs.field(init=False)
    _journals: dict[int, TurnJournal] = attrs.Factory(dict)
    _over_at: dict[int, float] = attrs.Factory(dict)
    _tasks: set[trio.lowlevel.Task] = attrs.Factory(set)
    _stopped: float | None = None
    _to_check: bool = False

    async def run(self) -> None:
        """Run all of it on the recording's clock."""
        recording = self.recording
        pass_until = self._pass_until
        self._room = WatchedRoom(recording, pass_until, at_end=self._at_end)
        if not recording.complete:
            self._room.until = recording.length_s
        replayed = replayed_parts(recording, self._room, pass_until)
        parts = watched_parts(replayed, self._calls)
        self._agent = WatchedAgent(
            parts,
            self.config,
            [self._observe, self._room.observe],
            memory(recording),
            ears(recording),
        )
        self._tasks = set(living_tasks())
        trio.lowlevel.add_instrument(self)
        with before_a_step(self.trigger, self._interrupt):
            await self._agent.run()

    def before_task_step(self, task: trio.lowlevel.Task) -> None:  # noqa: ARG002 - any
        """Time has passed since the interrupt: its turn must be gone."""
        if self._to_check and trio.current_time() != self._stopped:
            self._to_check = False
            self.broken += self._left_by(self.turn)

    def _pass_until(self, time: float) -> None:
        # Afterwards, time passes only when nothing is left to be done.
        if self._stopped is None:
            self.clock.pass_until(time)

    def _interrupt(self) -> None:
        self._stopped, self._to_check = trio.current_time(), True
        self._agent.interrupt(self.turn, REASON)

    def _observe(self, journal: TurnJournal, event: Event) -> None:
        self._journals[journal.number] = journal
        if event.name == "outcome":
            self._over_at[journal.number] = trio.current_time()
        if journal.number == self.turn:
            self.trigger.armed = event.name != "outcome" and self._stopped is None

    async def _at_end(self) -> None:
        """Everything was heard, and all turns are over, or should be."""
        for turn in self._agent.running:
            # It waits for what the recording does not know; or it was cut off.
            if self._calls.of(turn) or not self.recording.complete:
                self._agent.interrupt(turn, "the recording knows no more")
        await trio.sleep(SETTLED_S)
        self.broken += self._left_by(self.turn)
        self.broken += self._left_at_end()

    # --- the rules ---------------------------------------------------------------

    def _left_by(self, turn: int) -> Iterator[str]:
        """What is left of the interrupted turn."""
        stopped, floor = self._stopped, self._agent.floor
        if stopped is None:
            return
        if (over_at := self._over_at.get(turn)) is None:
            yield "the turn did not end"
        elif over_at > stopped:
            yield f"the turn took {(over_at - stopped) * 1000:.1f} ms to end"
        if self._room.last_sent.get(turn, stopped) > stopped:
            yield "a frame went out after the interrupt"
        if self._room.talking == turn:
            yield "the talk spurt has not ended"
        for what in self._calls.of(turn):
            yield f"a {what} is open"
        of_turn = (task for task in living_tasks() if turn_of(task) == turn)
        yield from _tasks_left(of_turn)
        claims = [*floor._voices, *floor._claims]
        holders = [floor.holder, *(claim.turn for claim in claims)]
        if any(self._is(holder, turn) for holder in holders):
            yield "the turn has not let go of the floor"

    def _is(self, holder: object, turn: int) -> bool:
        journal = getattr(holder, "journal", None)
        return journal is not None and journal is self._journals.get(turn)

    def _left_at_end(self) -> Iterator[str]:
        """What is left when nobody speaks any more."""
        agent, floor = self._agent, self._agent.floor
        for turn in self._calls.turns():
            yield f"turn {turn} has open: {', '.join(self._calls.of(turn))}"
        yield from _tasks_left(set(living_tasks()) - self._tasks)
        if self._room.talking is not None:
            yield f"turn {self._room.talking}'s talk spurt has not ended"
        claims = floor._voices or floor._claims
        if floor._queue.locked() or floor.holder is not None or claims:
            yield "somebody has the floor"
        for turn in {*agent.running, *agent.newest}:
            yield f"the agent still knows turn {turn}"
        if self._room.sent[0]:
            yield "a frame belongs to no turn"
        yield from self._outcomes()
        yield from self._history()

    def _outcomes(self) -> Iterator[str]:
        endings = {ending.turn.journal.number: ending for ending in self._agent.endings}
        for number, journal in self._journals.items():
            names = [event.name for event in journal.events]
            if names.count("outcome") != 1 or number not in endings:
                yield f"turn {number} has {names.count('outcome')} outcomes"
            elif names[-1] != "outcome":
                yield f"turn {number} goes on after its outcome: {names[-1]}"
            else:
                yield from self._ending(number, endings[number])

    def _ending(self, number: int, ending: Ending) -> Iterator[str]:
        outcome, sent = ending.outcome, self._room.sent[number]
        if isinstance(outcome, Failed) and not self._excused(outcome.error):
            yield f"turn {number} failed: {outcome.error!r}"
        if ending.frames != sent:
            yield f"turn {number} counts {ending.frames} frames, but {sent} went out"
        heard = "" if isinstance(outcome, Ignored) else outcome.heard
        if heard != ending.heard and not isinstance(outcome, Ignored):
            yield f"turn {number}: heard was {ending.heard!r}, it says {heard!r}"

    def _excused(self, error: BaseException) -> bool:
        """Whether a model failed, as models do, or as one did then."""
        if isinstance(error, BaseExceptionGroup):
            return all(map(self._excused, error.exceptions))
        if isinstance(error, ProviderError):
            return True
        failed = (f.StreamFailed, f.Replied, f.Said)
        crashes = [
            entry.error
            for entry in self.recording.entries
            if isinstance(entry, failed) and entry.how == "crashed"
        ]
        return isinstance(error, RuntimeError) and str(error) in crashes

    def _history(self) -> Iterator[str]:
        """Each turn to which there was something to say was written down once."""
        before = memory(self.recording).exchanges
        written = tuple(
            Exchange(
                ending.turn.speaker.name, ending.outcome.said, ending.outcome.heard
            )
            for ending in self._agent.endings
            if not isinstance(ending.outcome, Ignored) and ending.outcome.said
        )
        history = self._agent.history
        if history.version != len(written):
            yield f"{history.version} turns are in the history, not {len(written)}"
        # It may have forgotten the oldest.
        kept = history.exchanges
        if kept != (*before, *written)[len(before) + len(written) - len(kept) :]:
            yield f"the history says {kept!r}, but {(*before, *written)!r} was so"


def _tasks_left(tasks: Iterable[trio.lowlevel.Task]) -> Iterator[str]:
    # By name: Trio keeps them in no order.
    for name in sorted(task.name for task in tasks):
        yield f"the task {name!r} is left"
