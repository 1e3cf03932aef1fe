"""A recording, run again on a virtual clock: the real agent among recorded parts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import cattrs
import trio

from trioagent.agent import Agent
from trioagent.ear import EarState, HeardAudio
from trioagent.journal.events import Event, Observer
from trioagent.memory import Memory
from trioagent.replay.clock import VirtualClock, scheduled_by
from trioagent.replay.parts import ReplayedRoom, WrittenFrame, replayed_parts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.agent import Parts
    from trioagent.config import Config
    from trioagent.journal.events import TurnJournal
    from trioagent.recording import format as f
    from trioagent.recording.recording import Recording

# Before the first entry, for the agent to get ready.
LEAD_S = 1.0


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
    """Run it as it was; `seed` decides who goes first among tasks that are ready.

    A recording that was cut off is run as far as it goes.
    """
    room = ReplayedRoom(recording)
    if not recording.complete:
        room.until = recording.length_s
    parts = replayed_parts(recording, room)
    instants = sorted({entry.t for entry in recording.entries})
    return run_virtually(recording, config, parts, instants, seed)


def run_virtually(
    recording: Recording,
    config: Config,
    parts: Parts,
    instants: Sequence[float] = (),
    seed: int = 0,
) -> Again:
    """Run the agent, with what the recorded one remembered, until `parts.room` closes.

    The clock is the recording's; `instants` are for `VirtualClock`.
    """
    made = Again()
    room = parts.room
    observers: list[Observer] = [made.observe]
    if isinstance(room, ReplayedRoom):
        observers.append(room.observe)

    async def main() -> None:
        agent = Agent(parts, config, observers, memory(recording), ears(recording))
        await agent.run()

    start = min([0.0, *(entry.t for entry in recording.entries[:1])]) - LEAD_S
    with scheduled_by(seed):
        trio.run(main, clock=VirtualClock(start, instants))
    if isinstance(room, ReplayedRoom):
        made.frames = room.frames
    return made


def memory(recording: Recording) -> Memory:
    """What the recorded agent remembered."""
    return cattrs.structure(recording.header.memory, Memory)


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
