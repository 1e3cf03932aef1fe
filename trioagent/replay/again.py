"""A recording, run again on a virtual clock: the real agent among recorded parts."""

from __future__ import annotations

import math
from collections import defaultdict, deque
from typing import TYPE_CHECKING

import attrs
import cattrs
import trio

from trioagent.agent import Agent
from trioagent.ear import EarState
from trioagent.journal.events import Event, Observer
from trioagent.memory import Memory
from trioagent.recording import format as f
from trioagent.recording.finding import RecordingError
from trioagent.recording.recording import Recording
from trioagent.replay.clock import Laps, VirtualClock, scheduled_by, unheard
from trioagent.replay.parts import replayed_parts
from trioagent.replay.room import ReplayedRoom, WrittenFrame
from trioagent.utterances import HeardAudio

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.agent import Parts
    from trioagent.config import Config
    from trioagent.journal.events import TurnJournal

# Before the first entry, for the agent to get ready.
LEAD_S = 1.0
# How long a round of the event loop may have taken, seed by seed.
LAPS_S = (0.0, 0.0001, 0.0002, 0.0005)


@attrs.define(eq=False)
class Again:
    """What the agent made of a recording this time.

    Attributes:
        turns: The events of each turn; their times count from the turn's beginning.
        began: When each turn began, on the recording's clock.
        frames: What went to the room.
    """

    turns: dict[int, list[Event]] = attrs.Factory(dict)
    began: dict[int, float] = attrs.Factory(dict)
    frames: list[WrittenFrame] = attrs.Factory(list)

    def observe(self, journal: TurnJournal, _event: Event) -> None:
        """An observer of the agent's turns."""
        self.turns.setdefault(journal.number, journal.events)
        self.began.setdefault(journal.number, journal.started)


def again(recording: Recording, config: Config, seed: int = 0) -> Again:
    """Run it as it was.

    `seed` decides what is not recorded: who goes first among tasks that are ready, and
    how long a round of the event loop takes.

    A recording that was cut off is run as far as it goes.
    """
    instants = sorted({entry.t for entry in recording.entries})
    clock = VirtualClock(_start(recording), instants)
    room = ReplayedRoom(recording, clock.pass_until)
    if not recording.complete:
        room.until = recording.length_s
    return run_virtually(
        recording,
        config,
        replayed_parts(recording, room, clock.pass_until),
        clock,
        (_Pace(recording, clock),),
        (Laps(clock, LAPS_S[seed % len(LAPS_S)]),) if seed else (),
        seed=seed,
    )


@attrs.define(eq=False)
class _Pace:
    """Lets the clock pass while the agent computes, as long as it did then."""

    recording: Recording
    clock: VirtualClock
    _then: dict[int, deque[f.Happened]] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._then = defaultdict(deque)
        for entry in self.recording.entries:
            if isinstance(entry, f.Happened):
                self._then[entry.turn].append(entry)

    def __call__(self, journal: TurnJournal, event: Event) -> None:
        """Take an event of a turn."""
        then = self._then[journal.number]
        if then and (happened := then.popleft()).event == event.name:
            self.clock.pass_until(happened.t)


def run_virtually(
    recording: Recording,
    config: Config,
    parts: Parts,
    clock: VirtualClock | None = None,
    observers: Sequence[Observer] = (),
    instruments: Sequence[trio.abc.Instrument] = (),
    *,
    seed: int = 0,
) -> Again:
    """Run the agent, with what the recorded one remembered, until `parts.room` closes.

    Without a `clock`, nothing that was late then is late now. `seed` decides who goes
    first among tasks that are ready.
    """
    made = Again()
    room = parts.room
    watching = [made.observe, *observers]
    if isinstance(room, ReplayedRoom):
        watching.append(room.observe)

    async def main() -> None:
        agent = Agent(parts, config, watching, memory(recording), ears(recording))
        await agent.run()

    with scheduled_by(seed), unheard():
        trio.run(
            main,
            clock=clock or VirtualClock(_start(recording)),
            instruments=instruments,
        )
    if isinstance(room, ReplayedRoom):
        made.frames = room.frames
    return made


def _start(recording: Recording) -> float:
    """A time before all entries."""
    return min([0.0, *(entry.t for entry in recording.entries[:1])]) - LEAD_S


def memory(recording: Recording) -> Memory:
    """What the recorded agent remembered.

    Raises:
        RecordingError: this is no memory, or another version's.
    """
    try:
        return cattrs.structure(recording.header.memory, Memory)
    except cattrs.BaseValidationError as error:
        raise RecordingError(
            f"{recording.path / f.TURN_FILE}: line 1: memory: "
            + "; ".join(cattrs.transform_error(error, "memory")),
            hint=f"made by trioagent {recording.header.program}: run it with that one",
        ) from error


def ears(recording: Recording) -> dict[int, EarState]:
    """What the recorded agent's ears knew."""
    return {ear.speaker: _ear(recording, ear) for ear in recording.header.ears}


def _ear(recording: Recording, ear: f.Ear) -> EarState:
    return EarState(
        -math.inf if ear.last_packet is None else ear.last_packet,
        ear.left_over,
        ear.speaking,
        ear.run_s,
        ear.listened,
        tuple(
            HeardAudio(pcm, kept.speech, kept.ends_talk, kept.t)
            for kept, pcm in recording.pre_roll(ear)
        ),
    )
