"""Drafts on a virtual clock: language model, phrases and synthesis run ahead."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import FakeLanguageModel, FakeSynthesizer, Vocabulary
from trioagent.config import ChunkerConfig, PlaybackConfig
from trioagent.decisions.jitter import StartLevel
from trioagent.errors import ProviderError
from trioagent.interfaces import FRAME_S, Message
from trioagent.journal.events import TurnJournal
from trioagent.stages.draft import Draft
from trioagent.stages.voice import Voice

if TYPE_CHECKING:
    from trio.testing import MockClock

RATE_HZ = 1000
WORD_S = 0.2
QUESTION = "hello"
ENOUGH = PlaybackConfig(ahead_s=5.0, fade_ms=0)
LONG = " ".join(
    f"This is sentence number {i} of a very long answer." for i in range(40)
)


@attrs.define(eq=False)
class HaltingModel(FakeLanguageModel):
    """Sends its words without a wait, but after each of `halts` nothing for 2 s."""

    halts: Sequence[str] = ()

    async def reply(
        self, messages: Sequence[Message], tokens: trio.MemorySendChannel[str]
    ) -> None:
        await trio.lowlevel.checkpoint()
        for word in self.replies[messages[-1].content].split():
            await tokens.send(f"{word} ")
            if word in self.halts:
                await trio.sleep(2)


@attrs.define(eq=False)
class Workshop:
    """The voice that drafts are made with."""

    reply: str = "one two three."
    playback: PlaybackConfig = ENOUGH
    model: FakeLanguageModel = attrs.Factory(FakeLanguageModel)
    vocabulary: Vocabulary = attrs.Factory(Vocabulary)
    synthesizer: FakeSynthesizer = attrs.field(init=False)
    level: StartLevel = attrs.field(init=False)
    journal: TurnJournal = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.model.replies[QUESTION] = self.reply
        self.synthesizer = FakeSynthesizer(self.vocabulary, RATE_HZ, WORD_S)
        self.level = StartLevel(self.playback)
        self.journal = TurnJournal(1, "Ana", "now")

    def draft(self, *prompt: Message, text: str = QUESTION) -> Draft:
        voice = Voice(
            self.model,
            self.synthesizer,
            RATE_HZ,
            ChunkerConfig(),
            self.playback,
            self.level,
            "Sorry.",
        )
        return Draft(1, text, prompt, 0, voice, self.journal)

    def reply_draft(self) -> Draft:
        return self.draft(Message("system", "x"), Message("user", QUESTION))

    @property
    def open(self) -> int:
        return self.model.open_requests + self.synthesizer.speaking

    def named(self, name: str) -> list[dict[str, object]]:
        return [e.data for e in self.journal.events if e.name == name]

    @property
    def phrases(self) -> list[object]:
        return [data["text"] for data in self.named("phrase")]


def play_out(draft: Draft) -> str:
    """Take all that is there; return what was heard."""
    while draft.buffer.level_s:
        assert draft.buffer.take() is not None
    return draft.buffer.heard()


async def test_a_reply_becomes_audio(autojump_clock: MockClock) -> None:
    shop = Workshop("Yes, it is. But the second sentence is a longer one.")
    draft = shop.reply_draft()
    await draft.prepare()
    assert draft.buffer.complete
    assert draft.error is None
    assert draft.tokens == 11
    assert shop.phrases == ["Yes, it is.", "But the second sentence is a longer one."]
    assert draft.buffer.level_s == pytest.approx(11 * WORD_S)
    assert play_out(draft) == shop.reply
    assert shop.named("llm_done") == [{"draft": 1, "tokens": 11}]
    assert len(shop.named("llm_first_token")) == 1
    assert len(shop.named("tts_first_audio")) == 1
    assert shop.named("buffered") == [{"draft": 1}]
    assert shop.journal.peaks["audio_ms"] == pytest.approx(11 * WORD_S * 1000)


async def test_it_is_buffered_when_it_may_start_and_again_if_that_takes_more(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop()
    draft = shop.reply_draft()
    await trio.sleep(1)
    draft.buffer.begin_phrase("one two")
    draft.buffer.put(np.ones(30, np.int16))
    assert not draft.ready()
    draft.buffer.put(np.ones(10, np.int16))
    for _ in range(3):
        assert draft.ready()
        draft.changed()
    assert len(shop.named("buffered")) == 1
    shop.level.speed = 0.5
    assert not draft.ready()
    draft.buffer.complete = True
    draft.changed()
    assert draft.ready()
    assert len(shop.named("buffered")) == 2


async def test_what_follows_an_underrun_is_not_buffered_again(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop()
    draft = shop.reply_draft()
    draft.buffer.begin_phrase("one two")
    for _ in range(2):
        await trio.sleep(1)
        draft.buffer.put(np.ones(40, np.int16))
        draft.changed()
        assert draft.ready()
        while draft.buffer.take() is not None:
            draft.changed()
        assert not draft.ready()
    assert len(shop.named("buffered")) == 1


async def test_the_first_phrase_sounds_while_the_model_still_speaks(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop(LONG)
    shop.model.token_s = 0.05
    draft = shop.reply_draft()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(draft.prepare)
        await trio.sleep(0.9)
        assert shop.model.open_requests
        assert draft.buffer.level_s > 0
        nursery.cancel_scope.cancel()


async def test_a_draft_that_is_never_played_stops_when_it_is_far_ahead(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop(LONG)
    draft = shop.reply_draft()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(draft.prepare)
        await trio.sleep(5)
        level_s, tokens = draft.buffer.level_s, draft.tokens
        assert shop.playback.ahead_s <= level_s < shop.playback.ahead_s + 2 * WORD_S
        # A few phrases, pieces and tokens wait on the way, but not the whole reply.
        assert tokens < 100 < len(LONG.split())
        await trio.sleep(60)
        assert (draft.buffer.level_s, draft.tokens) == (level_s, tokens)
        assert shop.open
        draft.discard()
    assert not shop.open


async def test_a_draft_that_was_held_back_goes_on_as_it_is_played(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop(LONG)
    draft = shop.reply_draft()
    most_s = 0.0
    async with trio.open_nursery() as nursery:
        nursery.start_soon(draft.prepare)
        await trio.sleep(5)
        while not draft.buffer.drained:
            assert draft.buffer.take() is not None
            draft.changed()
            most_s = max(most_s, draft.buffer.level_s)
            await trio.sleep(FRAME_S)
    assert draft.buffer.underruns == 0
    assert draft.buffer.heard() == LONG
    assert most_s < shop.playback.ahead_s + 2 * WORD_S


async def test_being_held_back_teaches_nothing_about_the_synthesizer(
    autojump_clock: MockClock,
) -> None:
    little = PlaybackConfig(ahead_s=1.0, fade_ms=0)
    shop = Workshop("one two three four five six seven eight nine ten.", little)
    draft = shop.reply_draft()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(draft.prepare)
        await trio.sleep(60)
        play_out(draft)
        draft.changed()
    assert draft.buffer.complete
    assert shop.level.speed == pytest.approx(10.0)


async def test_a_slow_synthesizer_raises_the_start_level(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop()
    shop.synthesizer.piece_s = 0.4  # 0.2 s of audio each 0.4 s
    for _ in range(20):
        await shop.reply_draft().prepare()
    assert shop.level.speed == pytest.approx(0.6 / 1.23, abs=0.02)
    assert shop.level.seconds == pytest.approx(0.8)


async def test_when_no_token_comes_what_is_there_is_spoken(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop(
        "let me think about that. Yes.", model=HaltingModel(halts=["think"])
    )
    draft = shop.reply_draft()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(draft.prepare)
        await trio.sleep(0.39)
        assert not shop.phrases
        await trio.sleep(0.02)
        assert shop.phrases == ["let me think"]
        await trio.sleep(1)
        assert draft.buffer.level_s == pytest.approx(3 * WORD_S)
    assert shop.phrases == ["let me think", "about that. Yes."]
    assert play_out(draft) == shop.reply


async def test_a_reply_without_a_prompt_is_its_own_text(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop()
    draft = shop.draft(text="I heard nothing.")
    await draft.prepare()
    assert play_out(draft) == "I heard nothing."
    assert not shop.model.prompts
    assert not shop.named("llm_first_token")


@pytest.mark.parametrize(
    ("fail_after", "phrases"),
    [
        (0, ["Sorry."]),
        (2, ["You are", "Sorry."]),
        (4, ["You are quite right.", "Sorry."]),
    ],
)
async def test_a_failed_model_is_spoken_about(
    fail_after: int, phrases: list[str], autojump_clock: MockClock
) -> None:
    shop = Workshop("You are quite right. And more.")
    shop.model.fail, shop.model.fail_after = ProviderError("gone"), fail_after
    draft = shop.reply_draft()
    await draft.prepare()
    assert draft.error is shop.model.fail
    assert " ".join(map(str, shop.phrases)) == " ".join(phrases)
    assert draft.buffer.complete
    assert not shop.named("llm_done")


async def test_a_phrase_that_cannot_be_spoken_is_skipped(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop(
        "A good start it is. This bad one breaks down badly. And a good end."
    )
    shop.synthesizer.fail_on = "bad"
    draft = shop.reply_draft()
    await draft.prepare()
    assert "cannot say" in str(draft.error)
    assert play_out(draft) == "A good start it is. And a good end."
    assert not shop.open


async def test_errors_that_are_not_foreseen_pass_through(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop()
    shop.model.replies = None  # type: ignore[assignment] - a bug, on purpose
    with pytest.RaisesGroup(AttributeError, flatten_subgroups=True):
        await shop.reply_draft().prepare()
    assert not shop.open


@pytest.mark.parametrize("ms", [*range(0, 400, 7), 1000, 30_000])
async def test_a_draft_can_be_discarded_at_any_moment(
    ms: int, autojump_clock: MockClock
) -> None:
    shop = Workshop(LONG)
    draft = shop.reply_draft()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(draft.prepare)
        await trio.sleep(ms / 1000)
        discarded_at = trio.current_time()
        draft.discard()
        draft.discard()
    assert trio.current_time() == discarded_at
    assert draft.discarded
    assert not draft.buffer.complete
    assert not shop.open


async def test_a_draft_discarded_before_it_runs_asks_nobody(
    autojump_clock: MockClock,
) -> None:
    shop = Workshop()
    draft = shop.reply_draft()
    draft.discard()
    await draft.prepare()
    assert not shop.model.open_requests
    assert trio.current_time() == 0
    assert not shop.phrases


async def test_who_waits_for_a_draft_is_woken_when_it_is_discarded(
    autojump_clock: MockClock,
) -> None:
    draft = Workshop().reply_draft()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(draft.wait_until, lambda: draft.discarded)
        await trio.sleep(1)
        draft.discard()
    assert trio.current_time() == 1
