"""What the turns of a room share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.config import Config, TurnConfig
from trioagent.decisions.access import Access
from trioagent.decisions.company import Company
from trioagent.decisions.echo import EchoJudge
from trioagent.decisions.history import History
from trioagent.decisions.interruption import BargeIn
from trioagent.decisions.jitter import StartLevel
from trioagent.decisions.limits import TurnLimit
from trioagent.floor import Floor
from trioagent.interfaces import Recognizer, Room
from trioagent.memory import Memory
from trioagent.stages.voice import Voice

if TYPE_CHECKING:
    from trioagent.agent import Parts

# An echo comes after at most a second of delay; the rest is for our not knowing
# exactly when each of our words sounded. More would take somebody who says the same
# thing again for an echo.
ECHO_WINDOW_S = 2.5
# With 0.75 or more, an echo of which the recognizer misheard every third word is lost.
ECHO_SIMILARITY = 0.7


@attrs.frozen(eq=False)
class Conversation:
    """What all turns of a room share."""

    room: Room
    recognizer: Recognizer
    voice: Voice
    history: History
    floor: Floor
    config: TurnConfig

    @classmethod
    def between(cls, parts: Parts, config: Config, memory: Memory) -> Conversation:
        """One that goes on from what is remembered."""
        history = History(
            config.agent.system_prompt,
            config.agent.history_turns,
            config.agent.history_tokens,
            exchanges=list(memory.exchanges),
            max_words=config.access.max_words,
        )
        floor = Floor(
            BargeIn(config.barge_in),
            EchoJudge(ECHO_WINDOW_S, ECHO_SIMILARITY, memory.said),
            _company(parts, config, memory),
            echoing=set(memory.echoing),
        )
        voice = _voice(parts, config, memory)
        return cls(parts.room, parts.recognizer, voice, history, floor, config.turn)

    def memory(self, turns: int) -> Memory:
        """What it leaves behind after so many turns."""
        floor = self.floor
        return Memory(
            turns,
            tuple(self.history.exchanges),
            self.voice.start_level.speed,
            floor.echo.said,
            tuple(sorted(floor.echoing)),
            tuple(sorted(floor.company.answers.items())),
            floor.company.agent_replies,
            floor.company.limit.remembered,
        )


def _company(parts: Parts, config: Config, memory: Memory) -> Company:
    return Company(
        config.agent,
        parts.room.name,
        dict(memory.answered),
        memory.agent_replies,
        Access.of(config.access),
        TurnLimit(config.access.turns_per_minute, memory.turns_taken),
    )


def _voice(parts: Parts, config: Config, memory: Memory) -> Voice:
    return Voice(
        parts.language_model,
        parts.synthesizer,
        parts.room.frame_rate_hz(parts.synthesizer.rate_hz),
        config.chunker,
        config.playback,
        StartLevel(config.playback, memory.synthesizer_speed),
        config.agent.failure_notice,
    )
