"""The agent of one room: its ears, its turns, its history."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping, Sequence

import attrs
import trio

from trioagent.config import Config
from trioagent.conversation import Conversation
from trioagent.decisions.company import Company
from trioagent.decisions.echo import EchoJudge
from trioagent.decisions.history import Exchange, History
from trioagent.decisions.interruption import BargeIn
from trioagent.decisions.jitter import StartLevel
from trioagent.ear import Ear, EarState, Utterance
from trioagent.errors import own_errors
from trioagent.floor import Floor
from trioagent.interfaces import (
    LanguageModel,
    LinkLost,
    LinkRestored,
    Recognizer,
    Room,
    RoomEvent,
    Speaker,
    SpeakerJoined,
    SpeakerLeft,
    Synthesizer,
    VoiceActivityDetector,
    VoicePacket,
)
from trioagent.journal.events import CURRENT_TURN, Observer, TurnJournal
from trioagent.memory import Memory
from trioagent.outcome import Failed, Ignored, Outcome
from trioagent.stages.draft import Voice
from trioagent.turn import Turn

# An echo comes after at most a second of delay; the rest is for our not knowing
# exactly when each of our words sounded. More would take somebody who says the same
# thing again for an echo.
ECHO_WINDOW_S = 2.5
# With 0.75 or more, an echo of which the recognizer misheard every third word is lost.
ECHO_SIMILARITY = 0.7

log = logging.getLogger(__name__)


@attrs.frozen(eq=False)
class Parts:
    """What an agent is made of."""

    room: Room
    vad: VoiceActivityDetector
    recognizer: Recognizer
    language_model: LanguageModel
    synthesizer: Synthesizer


@attrs.define(eq=False)
class Agent:
    """Hears a room and answers in it. Make one, then `run` it in your own nursery.

    Attributes:
        parts: The room and the models; their owner opens and closes them.
        config: How it behaves. Sections of providers are not looked at.
        observers: Shown each event of each turn, at once.
        remembered: What an earlier agent remembered; this one goes on from there.
        ears: What its ears knew, by their speakers' ids.
        history: The conversation so far.
    """

    parts: Parts
    config: Config = attrs.Factory(Config)
    observers: Sequence[Observer] = ()
    remembered: Memory = attrs.Factory(Memory)
    ears: Mapping[int, EarState] = attrs.Factory(dict)
    history: History = attrs.field(init=False)
    _conversation: Conversation = attrs.field(init=False)
    _ears: dict[int, Ear] = attrs.field(init=False, factory=dict)
    _turns: dict[int, Turn] = attrs.field(init=False, factory=dict)
    """Each speaker's newest turn."""
    # In order: a set's would differ from run to run.
    _running: dict[Turn, None] = attrs.field(init=False, factory=dict)
    _turns_so_far: int = attrs.field(init=False)
    _nursery: trio.Nursery = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        parts, config, memory = self.parts, self.config, self.remembered
        self._turns_so_far = memory.turns
        self.history = History(
            config.agent.system_prompt,
            config.agent.history_turns,
            config.agent.history_tokens,
            exchanges=list(memory.exchanges),
        )
        voice = Voice(
            parts.language_model,
            parts.synthesizer,
            parts.room.frame_rate_hz(parts.synthesizer.rate_hz),
            config.chunker,
            config.playback,
            StartLevel(config.playback, memory.synthesizer_speed),
            config.agent.failure_notice,
        )
        self._conversation = Conversation(
            parts.room,
            parts.recognizer,
            voice,
            self.history,
            Floor(
                BargeIn(config.barge_in),
                EchoJudge(ECHO_WINDOW_S, ECHO_SIMILARITY, memory.said),
                Company(
                    config.agent,
                    parts.room.name,
                    dict(memory.answered),
                    memory.agent_replies,
                ),
                echoing=set(memory.echoing),
            ),
            config.turn,
        )

    @property
    def memory(self) -> Memory:
        """What it remembers now."""
        floor = self._conversation.floor
        return Memory(
            self._turns_so_far,
            tuple(self.history.exchanges),
            self._conversation.voice.start_level.speed,
            floor.echo.said,
            tuple(sorted(floor.echoing)),
            tuple(sorted(floor.company.answers.items())),
            floor.company.agent_replies,
        )

    def hears(self, speaker: Speaker) -> bool:
        """Whether it listens to this speaker at all."""
        return self._conversation.floor.company.heard(speaker)

    def ear_states(self) -> dict[int, EarState]:
        """What its ears know now, by their speakers' ids."""
        return {speaker: ear.state for speaker, ear in self._ears.items()}

    def ear_state(self, speaker: int) -> EarState:
        """What the ear for this speaker knows now."""
        ear = self._ears.get(speaker)
        return EarState() if ear is None else ear.state

    async def run(self) -> None:
        """Be in the room until its events end, or until cancelled.

        If cancelled, running turns end at once and are not written into the history.
        """
        async with trio.open_nursery() as self._nursery:
            async for event in self.parts.room.events:
                self._take(event)
            self._nursery.cancel_scope.cancel("the room is closed")

    def _take(self, event: RoomEvent) -> None:
        match event:
            case VoicePacket(speaker):
                if self.hears(speaker):
                    self._ear(speaker).hear(event)
            case SpeakerJoined(speaker):
                known = self._ears.get(speaker.id)
                if known is not None and known.speaker != speaker:
                    self._forget(known.speaker)
                self._ear(speaker)
            case SpeakerLeft(speaker):
                self._forget(speaker)
            case LinkLost(reason):
                log.warning("lost the room: %s", reason)
                for turn in tuple(self._running):
                    turn.interrupt("link lost")
            case LinkRestored():
                log.info("back in the room")

    def _ear(self, speaker: Speaker) -> Ear:
        ear = self._ears.get(speaker.id)
        if ear is None:
            ear = self._ears[speaker.id] = Ear(
                speaker,
                self.config.vad,
                self._open_utterance,
                lambda: self._conversation.floor.speaking is not None,
                remembered=self.ears.get(speaker.id, EarState()),
                vad=self.parts.vad.stream(),
            )
        return ear

    def _forget(self, speaker: Speaker) -> None:
        if (ear := self._ears.pop(speaker.id, None)) is not None:
            ear.close()
        if (turn := self._turns.pop(speaker.id, None)) is not None:
            turn.interrupt("speaker left")

    def _open_utterance(self, speaker: Speaker, utterance: Utterance) -> None:
        """Somebody begins to speak: their turn goes on, or a new one opens."""
        turn = self._turns.get(speaker.id)
        if turn is None or not turn.hearable:
            turn = self._open_turn(speaker)
        turn.hear(utterance)

    def _open_turn(self, speaker: Speaker) -> Turn:
        self._turns_so_far = number = self._turns_so_far + 1
        label = datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds")
        journal = TurnJournal(number, speaker.name, label, self.observers)
        turn = Turn(speaker, self._conversation, journal)
        journal.record("speech_started", speaker=speaker.name)
        self._turns[speaker.id] = turn
        self._running[turn] = None
        self._nursery.start_soon(self._run_turn, turn, name=f"turn {number}")
        return turn

    async def _run_turn(self, turn: Turn) -> None:
        CURRENT_TURN.set(turn.journal)
        try:
            self._write_down(turn, await turn.run())
        finally:
            self._running.pop(turn, None)
            if self._turns.get(turn.speaker.id) is turn:
                del self._turns[turn.speaker.id]

    def _write_down(self, turn: Turn, outcome: Outcome) -> None:
        """What was said and heard becomes history, once, when it is known."""
        if isinstance(outcome, Failed):
            _log_failure(turn.journal.number, outcome.error)
        if isinstance(outcome, Ignored):
            return
        if outcome.heard:
            company = self._conversation.floor.company
            company.answered(turn.speaker, trio.current_time())
        if outcome.said:
            exchange = Exchange(turn.speaker.name, outcome.said, outcome.heard)
            self.history.add(exchange)


def _log_failure(number: int, error: BaseException) -> None:
    """A provider's failure in a line; anything else with its traceback."""
    try:
        reasons = [str(own) for own in own_errors(error)]
    except Exception:
        log.exception("turn %d failed", number)
    else:
        log.warning("turn %d failed: %s", number, "; ".join(reasons))
