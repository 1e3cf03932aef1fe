"""The agent of one room: its ears, its turns, its history."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.apology import WrittenApology
from trioagent.config import Config
from trioagent.conversation import Conversation
from trioagent.decisions.history import Exchange, History
from trioagent.decisions.identity import identity
from trioagent.ear import Ear, EarState
from trioagent.ears import Ears
from trioagent.errors import own_errors
from trioagent.forgetting import Forgetting, Keeper, asks_to_forget
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
    TextMessage,
    VoiceActivityDetector,
    VoicePacket,
)
from trioagent.journal.events import CURRENT_TURN, Observer, TurnJournal
from trioagent.memory import Memory
from trioagent.outcome import Failed, Ignored, Outcome
from trioagent.turn import Turn

if TYPE_CHECKING:
    from trioagent.utterances import Utterance

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
        keepers: What else keeps something about speakers: asked to forget it, too.
        history: The conversation so far.
        link_lost: Why the room is out of reach; empty while it is not.
        taken: How many of the room's events were taken.
    """

    parts: Parts
    config: Config = attrs.Factory(Config)
    observers: Sequence[Observer] = ()
    remembered: Memory = attrs.Factory(Memory)
    ears: Mapping[int, EarState] = attrs.Factory(dict)
    keepers: Sequence[Keeper] = ()
    history: History = attrs.field(init=False)
    link_lost: str = attrs.field(init=False, default="")
    taken: int = attrs.field(init=False, default=0)
    _conversation: Conversation = attrs.field(init=False)
    _ears: Ears = attrs.field(init=False)
    _turns: dict[int, Turn] = attrs.field(init=False, factory=dict)
    """Each speaker's newest turn."""
    # In order: a set's would differ from run to run.
    _running: dict[Turn, trio.Event] = attrs.field(init=False, factory=dict)
    """With what is set when it is over."""
    _forgotten: set[Turn] = attrs.field(init=False, factory=set)
    """Running turns that must not be written into the history."""
    _forgetting: Forgetting = attrs.field(init=False)
    _apology: WrittenApology = attrs.field(init=False)
    _turns_so_far: int = attrs.field(init=False)
    _nursery: trio.Nursery = attrs.field(init=False)
    _staying: trio.CancelScope = attrs.field(init=False, factory=trio.CancelScope)

    def __attrs_post_init__(self) -> None:
        parts, config, memory = self.parts, self.config, self.remembered
        self._turns_so_far = memory.turns
        self._conversation = Conversation.between(parts, config, memory)
        self.history = self._conversation.history
        self._ears = Ears(
            parts.vad,
            config.vad,
            self._open_utterance,
            lambda: self._conversation.floor.speaking is not None,
            self.ears,
        )
        self._apology = WrittenApology(parts.room, config.agent.failure_notice)
        self._forgetting = Forgetting(
            parts.room,
            self.keepers,
            lambda: self._conversation.floor.echo.forget(trio.current_time()),
        )

    @property
    def memory(self) -> Memory:
        """What it remembers now."""
        return self._conversation.memory(self._turns_so_far)

    def hears(self, speaker: Speaker) -> bool:
        """Whether it listens to this speaker at all."""
        return self._conversation.floor.company.heard(speaker)

    def admits(self, speaker: Speaker) -> bool:
        """Whether it takes notice of this speaker at all."""
        return self._conversation.floor.company.access.admits(speaker)

    def ear_states(self) -> dict[int, EarState]:
        """What its ears know now, by their speakers' ids."""
        return self._ears.states

    def ear_state(self, speaker: int) -> EarState:
        """What the ear for this speaker knows now."""
        ear = self._ears.get(speaker)
        return EarState() if ear is None else ear.state

    @property
    def listening_to(self) -> tuple[Ear, ...]:
        """The ears for those who are in the channel."""
        return tuple(self._ears)

    @property
    def dropped(self) -> int:
        """Packets that no listener took in time."""
        return self._ears.dropped

    @property
    def ears_peak(self) -> int:
        """The most packets that ever waited for a listener."""
        return self._ears.peak

    async def leave(self) -> None:
        """Begin nothing more; end `run` after the sentence that is being heard.

        If cancelled, it goes on beginning nothing, and `run` with what it does.
        """
        await self._conversation.floor.close()
        self._staying.cancel("leaving")

    async def run(self) -> None:
        """Be in the room until its events end, or until cancelled.

        If cancelled, running turns end at once and are not written into the history.
        """
        with self._staying:
            async with trio.open_nursery() as self._nursery:
                async for event in self.parts.room.events:
                    self._take(event)
                self._nursery.cancel_scope.cancel("the room is closed")

    def _take(self, event: RoomEvent) -> None:
        self.taken += 1
        match event:
            case VoicePacket(speaker):
                ear = self._ears.get(speaker.id)
                # One who has an ear is listened to; packets come often.
                known = ear is not None and ear.speaker is speaker
                if known or self.hears(speaker):
                    late_s = trio.current_time() - event.time
                    (ear or self._ears.of(speaker)).hear(event, late_s)
            case SpeakerJoined(speaker):
                self._meet(speaker)
            case SpeakerLeft(speaker):
                self._part_from(speaker)
            case TextMessage(speaker, text) if asks_to_forget(text):
                self._forget(speaker)
            case LinkLost(reason):
                log.warning("lost the room: %s", reason)
                self.link_lost = reason or "no reason known"
                for turn in tuple(self._running):
                    turn.interrupt("link lost")
            case LinkRestored():
                self.link_lost = ""
                log.info("back in the room")

    def _meet(self, speaker: Speaker) -> None:
        known = self._ears.get(speaker.id)
        if known is not None and known.speaker != speaker:
            self._part_from(known.speaker)
        if self.hears(speaker):
            self._ears.of(speaker)

    def _part_from(self, speaker: Speaker) -> None:
        self._ears.close(speaker.id)
        # Ids are given out again, to people with other loudspeakers.
        self._conversation.floor.echoing.discard(speaker.id)
        if (turn := self._turns.pop(speaker.id, None)) is not None:
            turn.interrupt("speaker left")

    def _forget(self, speaker: Speaker) -> None:
        """Forget this speaker: at once here, and then what the keepers have."""
        if not self.admits(speaker):
            return
        who, floor = identity(speaker), self._conversation.floor
        turns = [turn for turn in self._running if identity(turn.speaker) == who]
        for turn in turns:
            self._forgotten.add(turn)
            turn.interrupt("forgotten")
        self._ears.close(speaker.id)
        floor.forget(speaker.id, trio.current_time())
        exchanges = self.history.forget(speaker)
        over = [self._running[turn] for turn in turns]
        self._forgetting.ask(speaker, exchanges, over, self._nursery)

    def _open_utterance(self, speaker: Speaker, utterance: Utterance) -> None:
        """Somebody begins to speak: their turn goes on, or a new one opens."""
        if self._conversation.floor.closed:
            utterance.close()
            return
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
        self._running[turn] = trio.Event()
        self._nursery.start_soon(self._run_turn, turn, name=f"turn {number}")
        return turn

    async def _run_turn(self, turn: Turn) -> None:
        CURRENT_TURN.set(turn.journal)
        try:
            outcome = await turn.run()
            self._write_down(turn, outcome)
        finally:
            self._forgotten.discard(turn)
            self._running.pop(turn).set()
            if self._turns.get(turn.speaker.id) is turn:
                del self._turns[turn.speaker.id]
        await self._apology.after(outcome, reachable=not self.link_lost)

    def _write_down(self, turn: Turn, outcome: Outcome) -> None:
        """What was said and heard becomes history, once, when it is known."""
        if isinstance(outcome, Failed):
            _log_failure(turn.journal.number, outcome.error)
        if isinstance(outcome, Ignored) or turn in self._forgotten:
            return
        if outcome.heard:
            company = self._conversation.floor.company
            company.answered(turn.speaker, trio.current_time())
        if outcome.said:
            who = turn.speaker
            self.history.add(
                Exchange(who.name, outcome.said, outcome.heard, who.certificate)
            )


def _log_failure(number: int, error: BaseException) -> None:
    """A provider's failure in a line; anything else with its traceback."""
    try:
        reasons = [str(own) for own in own_errors(error)]
    except Exception:
        log.exception("turn %d failed", number)
    else:
        log.warning("turn %d failed: %s", number, "; ".join(reasons))
