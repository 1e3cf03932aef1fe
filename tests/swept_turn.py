"""The turn that is swept: real agent, fake providers that can fail at each step.

Somebody pauses in their sentence; the recognizer revises; a draft made from the first
words is discarded while all its stages are at work; the second one is committed and
played in three phrases. Then somebody speaks once more, and must be answered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from tests.fakes import ANA, FakeRoom, FakeVad, Vocabulary
from tests.sweep import Trigger
from tests.swept_parts import LanguageModel, Recognizer, Synthesizer
from trioagent import Agent, Config, Parts
from trioagent.config import ChunkerConfig, PlaybackConfig, TurnConfig
from trioagent.errors import ProviderError
from trioagent.interfaces import FRAME_S, HEARING_RATE_HZ
from trioagent.journal.events import Event, TurnJournal
from trioagent.outcome import Answered, Failed, Ignored, Interrupted, Outcome

if TYPE_CHECKING:
    from trioagent.turn import Turn

CONFIG = Config(
    turn=TurnConfig(
        hold_ms=200,
        min_hold_ms=200,
        max_hold_ms=200,
        pause_ms=60,
        early_start="prefix",
        prefix_min_chars=7,
        stable_hypotheses=2,
        max_drafts=2,
    ),
    chunker=ChunkerConfig(first_min_chars=1, min_chars=1),
    playback=PlaybackConfig(fade_ms=0),
)
SPOKEN_WORD_S = 0.08
REPLY_WORD_S = 0.06
BEGUN = "what is"
TOO_EARLY = 5 * "I do not know yet. Please do go on. "
"""Too much for the buffers: every stage waits for the next one."""
ASKED = "what is that"
REPLY = "A bird. It sings. How nice."


@attrs.define(eq=False)
class WatchedAgent(Agent):
    """Keeps the outcomes, and how far each reply says that it was played."""

    outcomes: dict[int, Outcome] = attrs.Factory(dict)
    cursors: dict[int, int] = attrs.Factory(dict)

    def _write_down(self, turn: Turn, outcome: Outcome) -> None:
        number = turn.journal.number
        assert number not in self.outcomes
        self.outcomes[number] = outcome
        self.cursors[number] = turn._played.buffer.cursor if turn._played else 0
        super()._write_down(turn, outcome)


@attrs.define(eq=False)
class Stage:
    """The agent among its fakes, and what can be seen of it."""

    trigger: Trigger
    fails: bool = False
    """Whether the trigger makes a provider fail."""
    vocabulary: Vocabulary = attrs.Factory(Vocabulary)
    room: FakeRoom = attrs.Factory(FakeRoom)
    model: LanguageModel = attrs.field(init=False)
    recognizer: Recognizer = attrs.field(init=False)
    synthesizer: Synthesizer = attrs.field(init=False)
    agent: WatchedAgent = attrs.field(init=False)
    events: dict[int, list[Event]] = attrs.Factory(dict)
    frames: dict[int, list[int]] = attrs.Factory(dict)
    """How many had gone out when a turn's first one did, and when it was over."""
    over_at: dict[int, float] = attrs.Factory(dict)
    """When each turn was over."""
    stopped: tuple[int, float] | None = None
    """How many frames had gone out, and when that was."""
    failed: list[str] = attrs.Factory(list)

    def __attrs_post_init__(self) -> None:
        vocabulary, point = self.vocabulary, self._point
        replies = {ASKED: REPLY, BEGUN: TOO_EARLY}
        self.model = LanguageModel(
            replies, first_token_s=0.03, token_s=0.002, point=point
        )
        self.recognizer = Recognizer(vocabulary, lag_s=0.02, point=point)
        self.synthesizer = Synthesizer(
            vocabulary, word_s=REPLY_WORD_S, piece_s=0.02, point=point
        )
        parts = Parts(
            self.room, FakeVad(), self.recognizer, self.model, self.synthesizer
        )
        self.agent = WatchedAgent(parts, CONFIG, [self._observe])

    def _point(self, name: str) -> None:
        if self.fails and self.trigger.reached(name):
            self.failed.append(name)
            raise ProviderError(f"failed on purpose: {name}")

    def _observe(self, journal: TurnJournal, event: Event) -> None:
        self.events.setdefault(journal.number, []).append(event)
        if event.name in ("first_frame", "outcome"):
            self.frames.setdefault(journal.number, []).append(len(self.room.frames))
        self.over_at[journal.number] = trio.current_time()
        if not self.fails and journal.number == 1:
            # There is nothing to interrupt before and after.
            if event.name == "speech_started":
                self.trigger.armed = True
            elif event.name == "outcome":
                self.trigger.armed = False

    def stop(self) -> None:
        """Remember when it was."""
        self.stopped = len(self.room.frames), trio.current_time()

    def interrupt(self) -> None:
        """Between two steps."""
        self.stop()
        for turn in tuple(self.agent._running):
            if turn.journal.number == 1:
                turn.interrupt("sweep")

    async def say(self, text: str) -> None:
        pcm = self.vocabulary.speech(text, SPOKEN_WORD_S, HEARING_RATE_HZ)
        await self.room.say(ANA, pcm, terminator=False)

    async def one_turn(self) -> None:
        """Play the whole turn, and wait until all is over."""
        self.trigger.armed = self.fails
        await self.say(BEGUN)
        await trio.sleep(0.15)
        await self.say(ASKED.removeprefix(BEGUN))
        await trio.sleep(2.5)
        self.trigger.armed = False

    def names(self, turn: int) -> list[str]:
        return [event.name for event in self.events[turn]]

    def check_nothing_open(self) -> None:
        assert not self.recognizer.open_streams, "a recognizer stream is open"
        assert not self.model.open_requests, "a request is open"
        assert not self.synthesizer.speaking, "the synthesizer is at work"
        assert not self.room.talk_open, "the talk spurt has not ended"
        for part in (self.recognizer, self.synthesizer):
            assert not part.limiter.borrowed_tokens, "a limiter token is lost"
        floor = self.agent._conversation.floor
        assert not floor._queue.locked(), "somebody has the floor"
        assert floor.holder is None
        assert not floor._claims
        assert not self.agent._running
        assert not self.agent._turns

    def check_outcomes(self) -> None:
        """Each turn ended with a value; what was heard is what went out."""
        written = []
        assert list(self.agent.outcomes) == sorted(self.events), "a turn is not over"
        for turn, outcome in self.agent.outcomes.items():
            assert isinstance(outcome, Outcome)
            assert self.names(turn).count("outcome") == 1
            assert self.names(turn)[-1] == "outcome"
            if isinstance(outcome, Failed):
                assert self.failed, f"nobody failed, and yet: {outcome.error!r}"
            if not isinstance(outcome, Ignored) and outcome.said:
                written.append((outcome.said, outcome.heard))
            self._check_heard(turn, getattr(outcome, "heard", ""))
        exchanges = self.agent.history.exchanges
        assert [(e.said, e.heard) for e in exchanges] == written
        in_turns = [counts[-1] - counts[0] for counts in self.frames.values()]
        assert sum(in_turns) == len(self.room.frames), "a frame belongs to no turn"

    def _check_heard(self, turn: int, text: str) -> None:
        first, last = self.frames[turn][0], self.frames[turn][-1]
        size = round(self.synthesizer.rate_hz * FRAME_S)
        cursor = self.agent.cursors[turn]
        assert cursor == (last - first) * size, "the record is not what went out"
        sounded = self.room.spoken[first * size : last * size]
        spoken, heard = self.vocabulary.read(sounded).split(), text.split()
        # The word that sounded last, of a reply or of a phrase that failed, counts
        # once it is known that it had ended.
        missing = list(spoken)
        for word in heard:
            assert word in missing, f"heard {heard} of {spoken}"
            missing.remove(word)
        assert [w for w in spoken if w not in missing] == heard
        assert len(missing) <= 1, f"heard {heard} of {spoken}"

    def check_interrupted(self) -> None:
        """It ended at once."""
        assert isinstance(self.agent.outcomes[1], Answered | Interrupted | Ignored)
        if self.stopped is not None:
            frames, time = self.stopped
            assert self.frames[1][-1] == frames, "a frame went out after the interrupt"
            assert self.over_at[1] == time, "it took time to end"

    def check_undisturbed(self) -> None:
        """The turn is the one that it is meant to be."""
        names = self.names(1)
        assert names.count("draft_discarded") == 1
        assert names.count("draft_started") == 2
        assert names.index("stable") < names.index("draft_started")
        assert len({e.data["text"] for e in self.events[1] if e.name == "partial"}) > 3
        discarded = next(e for e in self.events[1] if e.name == "draft_discarded")
        assert discarded.data["tokens"] < len(TOO_EARLY.split())
        assert self.vocabulary.read(self.room.spoken) == REPLY
        assert self.agent.outcomes == {1: Answered(ASKED, REPLY)}

    async def check_next_turn(self) -> None:
        """The next one on the same agent is answered in full."""
        self.trigger.armed = False
        await self.say("once more")
        await trio.sleep(3)
        last = max(self.agent.outcomes)
        answer = self.agent.outcomes[last]
        assert isinstance(answer, Answered), f"not answered: {answer!r}"
        assert answer.said == "once more"
        # Words to which nothing was answered are in the next prompt, too.
        assert answer.heard in ("you said once more.", f"you said {ASKED} once more.")
