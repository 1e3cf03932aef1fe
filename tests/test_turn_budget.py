"""A turn keeps its word: it answers, or says that it cannot, within its budget."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from tests.e2e.sse_server import Answer
from tests.fakes import BEN, FakeLanguageModel, FakeRoom, FakeSynthesizer
from tests.fuzz_rules import check_ledger
from tests.scene import CONFIG, Scene, running
from tests.test_llm_openai import open_llm
from trioagent import Agent, Parts
from trioagent.apology import WRITE_S
from trioagent.config import AgentConfig, AsrConfig, BreakerConfig, LlmConfig, TtsConfig
from trioagent.decisions.budget import Budget
from trioagent.errors import RoomUnreachable
from trioagent.guards.board import Guards
from trioagent.interfaces import LinkLost, LinkRestored, Outlet
from trioagent.turn_clock import APOLOGY_S, TurnClock

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trio.testing import MockClock

    from trioagent import Config
    from trioagent.interfaces import Message, Speaker, Speech

BUDGET_S = 5.0
NOTICE = "Sorry, no."
LONG = "one two three four. five six seven eight. nine ten eleven twelve."


def config(**turn: float) -> Config:
    return attrs.evolve(
        CONFIG,
        agent=AgentConfig(failure_notice=NOTICE),
        turn=attrs.evolve(CONFIG.turn, budget_s=BUDGET_S, early_start="off", **turn),
    )


@attrs.define(eq=False)
class WritingRoom(FakeRoom):
    """Keeps what is written, each after `text_s`."""

    texts: list[str] = attrs.Factory(list)
    text_s: float = 0.0

    async def send_text(self, text: str, to: Speaker | None = None) -> None:
        await trio.sleep(self.text_s)
        self.texts.append(text)


@attrs.define(eq=False)
class StallingModel(FakeLanguageModel):
    """Stops after so many words, for so long."""

    stall_after: int = 0
    stall_s: float = math.inf

    async def reply(self, messages: Sequence[Message], tokens: Outlet[str]) -> None:
        await super().reply(messages, _Stalling(tokens, self.stall_after, self.stall_s))


@attrs.define(eq=False)
class _Stalling:
    outlet: Outlet[object]
    left: int
    stall_s: float

    async def send(self, value: object) -> None:
        if self.left == 0:
            await trio.sleep(self.stall_s)
        self.left -= 1
        await self.outlet.send(value)


@attrs.define(eq=False)
class StallingSynthesizer(FakeSynthesizer):
    """Stops at a phrase that has this in it; "" is none."""

    stall_on: str = ""
    stall_s: float = math.inf

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        stalls = bool(self.stall_on) and self.stall_on in phrase
        outlet = _Stalling(audio, 1 if stalls else -1, self.stall_s)
        await super().synthesize(phrase, outlet)


def scene(settings: Config | None = None, *, guarded: bool = False) -> Scene:
    settings, model = settings or config(), StallingModel(stall_after=-1)
    found = Scene(settings, room=WritingRoom(), model=model)
    found.synthesizer = StallingSynthesizer(found.vocabulary)
    rebuild(found, guarded=guarded)
    return found


def rebuild(stage: Scene, *, guarded: bool = False) -> None:
    parts = attrs.evolve(stage.agent.parts, synthesizer=stage.synthesizer)
    if guarded:
        guards = Guards(stage.config)
        parts = Parts(
            parts.room,
            parts.vad,
            guards.recognizer(parts.recognizer, "fake"),
            guards.language_model(parts.language_model),
            guards.synthesizer(parts.synthesizer, "fake"),
        )
    stage.agent = Agent(parts, stage.config, [stage._observe])


def failure(stage: Scene, turn: int = 1) -> str:
    return str(stage.find("provider_failed", turn).data["error"]).partition("\n")[0]


def first_frame_after_the_last_word(stage: Scene, turn: int = 1) -> float:
    last_word = stage.find("speech_ended", turn).data["last_speech"]
    return stage.find("first_frame", turn).t - last_word


async def test_a_model_that_never_replies(autojump_clock: MockClock) -> None:
    stage = scene()
    stage.model.stall_after = 0
    async with running(stage):
        await stage.say("hello", terminator=False)
        await trio.sleep(20)
    assert stage.spoken == NOTICE
    assert stage.find("outcome").data["kind"] == "failed"
    assert stage.heard == [("Ana", "hello", NOTICE)]
    assert BUDGET_S < first_frame_after_the_last_word(stage) < BUDGET_S + 0.2
    assert failure(stage) == (
        "turn.budget_s = 5: all patience is used up: 0.3 s for the end of speech, "
        "0.0 s for the recognizer, 4.7 s for the language model"
    )


async def test_a_synthesizer_that_stalls_before_the_first_sound(
    autojump_clock: MockClock,
) -> None:
    stage = scene()
    stage.synthesizer.first_s = math.inf
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(20)
    assert stage.spoken == ""
    outcome = stage.find("outcome")
    assert outcome.data["kind"] == "failed"
    last_word = stage.find("speech_ended").data["last_speech"]
    # The apology stalls, too, and gets only so long.
    assert outcome.t - last_word == pytest.approx(BUDGET_S + APOLOGY_S)
    assert "for the synthesizer" in failure(stage)
    assert stage.room.texts == [NOTICE]


async def test_a_recognizer_that_never_finishes(autojump_clock: MockClock) -> None:
    stage = scene()
    stage.recognizer.finish_s = math.inf
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(20)
        assert stage.spoken == NOTICE
        assert stage.find("outcome").data["kind"] == "failed"
        assert BUDGET_S < first_frame_after_the_last_word(stage) < BUDGET_S + 0.2
        assert failure(stage).endswith("5.0 s for the recognizer")
        stage.recognizer.finish_s = 0.001
        await stage.say("again")
        await trio.sleep(5)
    assert stage.heard[-1] == ("Ana", "again", "you said again.")


async def test_who_asks_again_meanwhile_does_not_wait_longer(
    autojump_clock: MockClock,
) -> None:
    stage = scene()
    stage.recognizer.finish_s = math.inf
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(2)
        stage.recognizer.finish_s = 0.001
        await stage.say("again")
        await trio.sleep(20)
    assert stage.find("provider_failed").t == pytest.approx(0.3 + BUDGET_S, abs=0.1)
    assert stage.heard == [("Ana", "again", "you said again.")]
    assert BUDGET_S < stage.find("first_frame").t < BUDGET_S + 1


async def test_slow_answers_add_up(autojump_clock: MockClock) -> None:
    """Each wait is within its own bound, and all together are too long."""
    stage = scene()
    stage.recognizer.finish_s = 2.0
    stage.model.first_token_s = 2.0
    stage.synthesizer.first_s = 2.0
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(20)
    assert failure(stage) == (
        "turn.budget_s = 5: all patience is used up: 0.0 s for the end of speech, "
        "2.0 s for the recognizer, 2.0 s for the language model, "
        "1.0 s for the synthesizer"
    )
    assert stage.spoken == NOTICE


async def test_a_reply_that_is_in_time_may_take_as_long_as_it_likes(
    autojump_clock: MockClock,
) -> None:
    stage = scene()
    stage.model.replies["hello"] = reply = " ".join([LONG] * 6)
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(60)
    assert stage.spoken == reply
    assert stage.find("last_frame").t > 2 * BUDGET_S
    assert stage.find("outcome").data["kind"] == "answered"


@pytest.mark.parametrize("part", ["model", "synthesizer"])
async def test_a_stall_in_mid_reply_counts(
    part: str, autojump_clock: MockClock
) -> None:
    stage = scene()
    stage.model.replies["hello"] = LONG
    if part == "model":
        stage.model.stall_after = 4
    else:
        stage.synthesizer.stall_on = "five"
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(30)
    names = stage.names(1)
    assert names.count("first_frame") == 1
    assert stage.spoken.startswith("one two three four.")
    assert stage.spoken.endswith(NOTICE)
    outcome = stage.find("outcome")
    assert outcome.data["kind"] == "failed"
    assert outcome.data["heard"].endswith(NOTICE)
    # Only the silence counts, not what had sounded before.
    silent_s = stage.find("provider_failed").t - stage.find("underrun").t
    waited_s = stage.find("first_frame").t - 0.3
    assert silent_s == pytest.approx(BUDGET_S - waited_s, abs=0.3)
    assert f"for the {'language model' if part == 'model' else part}" in failure(stage)
    assert stage.room.texts == [], "it was said"


async def test_waiting_for_the_floor_does_not_count(autojump_clock: MockClock) -> None:
    settings = config(max_wait_s=60.0)
    # Little of a reply is made ahead: it is still in the making when its turn comes.
    playback = attrs.evolve(settings.playback, ahead_s=0.3)
    stage = scene(attrs.evolve(settings, playback=playback))
    stage.model.replies["hello"] = stage.model.replies["and me"] = 4 * LONG
    async with running(stage):
        stage.room.join(BEN)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(stage.say, "hello")
            nursery.start_soon(stage.say, "and me", BEN)
        await trio.sleep(40)
    assert {said for _, said, _ in stage.heard} == {"hello", "and me"}
    waited = max(stage.find("first_frame", turn).t for turn in (1, 2))
    assert waited > BUDGET_S
    for turn in (1, 2):
        assert stage.find("outcome", turn).data["kind"] == "answered"


async def test_holding_its_breath_does_not_count(autojump_clock: MockClock) -> None:
    stage = scene()
    stage.model.replies["hello"] = LONG
    stage.model.stall_after, stage.model.stall_s = 4, 9.0
    async with running(stage):
        stage.room.join(BEN)
        await stage.say("hello")
        await trio.sleep(2)
        await stage.say(" ".join(["yeah okay"] * 13), BEN)
        await trio.sleep(20)
    assert stage.find("ducked").t > stage.find("underrun").t
    held_s = stage.find("restored").t - stage.find("ducked").t
    times = [frame.time for frame in stage.room.frames]
    assert held_s > BUDGET_S
    assert max(b - a for a, b in itertools.pairwise(times)) > BUDGET_S + 2
    assert stage.spoken == LONG
    assert stage.find("outcome").data["kind"] == "answered"


async def test_who_goes_on_gives_all_patience_back(autojump_clock: MockClock) -> None:
    stage = scene()
    stage.model.first_token_s = 4.0
    async with running(stage):
        await stage.say("what is")
        await trio.sleep(3)
        await stage.say("that")
        await trio.sleep(20)
    assert stage.heard == [("Ana", "what is that", "you said what is that.")]
    assert stage.names(1).count("speech_resumed") == 1


async def test_no_notice_is_no_apology(autojump_clock: MockClock) -> None:
    settings = attrs.evolve(config(), agent=AgentConfig(failure_notice=""))
    stage = scene(settings)
    stage.model.stall_after = 0
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(20)
    assert stage.spoken == ""
    assert stage.find("outcome").data["kind"] == "failed"
    assert stage.find("outcome").t < BUDGET_S + 1
    assert stage.room.texts == []


@pytest.mark.parametrize("stall", ["model", "mid-reply", "synthesizer", "recognizer"])
async def test_a_turn_that_is_given_up_can_be_interrupted_at_any_time(
    stall: str, autojump_clock: MockClock
) -> None:
    for tenth in range(40, 120, 5):
        stage = scene()
        stage.model.replies["hello"] = LONG
        stage.model.stall_after = {"model": 0, "mid-reply": 4}.get(stall, -1)
        if stall == "synthesizer":
            stage.synthesizer.first_s = math.inf
        if stall == "recognizer":
            stage.recognizer.finish_s = math.inf
        async with running(stage):
            await stage.say("hello")
            await trio.sleep(tenth / 10)
            for turn in tuple(stage.agent._running):
                turn.interrupt("test")
            frames = len(stage.room.frames)
            await trio.sleep(3)
            assert len(stage.room.frames) == frames
            assert not stage.agent._running
            assert stage.idle()


async def test_the_ledger_still_adds_up(autojump_clock: MockClock) -> None:
    for stall in ("model", "recognizer"):
        stage = scene()
        if stall == "model":
            stage.model.stall_after = 0
        else:
            stage.recognizer.finish_s = math.inf
        async with running(stage):
            await stage.say("hello")
            await trio.sleep(20)
        seen = [_Seen(event) for number, event in stage.events if number == 1]
        check_ledger(seen)
        assert stage.spoken == NOTICE


@attrs.frozen
class _Seen:
    event: object


# --- with the providers' own bounds -----------------------------------------------


GUARDED = attrs.evolve(
    config(),
    asr=AsrConfig(timeout_s=1),
    llm=LlmConfig(timeout_s=2),
    tts=TtsConfig(timeout_s=1.5),
    breaker=BreakerConfig(failures=2, retry_s=30),
)


@pytest.mark.parametrize("part", ["asr", "llm"])
async def test_a_providers_own_bound_comes_first(
    part: str, autojump_clock: MockClock
) -> None:
    stage = scene(GUARDED, guarded=True)
    if part == "asr":
        stage.recognizer.finish_s = math.inf
    else:
        stage.model.stall_after = 0
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(20)
    assert stage.spoken == NOTICE
    assert first_frame_after_the_last_word(stage) < BUDGET_S
    assert failure(stage).startswith(f"{part}.timeout_s = ")


async def test_retries_end_with_the_turns_budget() -> None:
    """A server that is busy for ever; on real sockets, in real time."""
    settings = attrs.evolve(
        config(), turn=attrs.evolve(config().turn, budget_s=1.0, early_start="off")
    )
    async with open_llm(Answer(status=503), retry_budget_s=60.0) as (llm, server):
        stage = scene(settings)
        parts = attrs.evolve(stage.agent.parts, language_model=llm)
        stage.agent = Agent(parts, settings, [stage._observe])
        async with running(stage):
            await stage.say("hello")
            with trio.fail_after(20):
                while "outcome" not in stage.names(1):  # noqa: ASYNC110 - no event here
                    await trio.sleep(0.05)
            asked = len(server.requests)
            await trio.sleep(1)
            assert len(server.requests) == asked > 1
    assert stage.find("outcome").data["kind"] == "failed"
    assert failure(stage).startswith("turn.budget_s = 1: ")
    assert stage.spoken == NOTICE


async def test_a_recognizer_that_is_spared_costs_no_time(
    autojump_clock: MockClock,
) -> None:
    stage = scene(GUARDED, guarded=True)
    stage.recognizer.finish_s = math.inf
    async with running(stage):
        for _ in range(3):
            await stage.say("hello")
            await trio.sleep(10)
        assert 1 < first_frame_after_the_last_word(stage, 2) < 2
        assert first_frame_after_the_last_word(stage, 3) < 0.5
        assert "is not asked" in failure(stage, 3)
        stage.recognizer.finish_s = 0.001
        await trio.sleep(30)
        await stage.say("again")
        await trio.sleep(10)
    assert stage.heard[-1] == ("Ana", "again", "you said again.")


# --- an apology in writing ------------------------------------------------------------


async def test_who_cannot_be_told_is_written_to_once_per_outage(
    autojump_clock: MockClock,
) -> None:
    stage = scene(GUARDED, guarded=True)

    async def ask() -> None:
        await stage.say("hello")
        await trio.sleep(40)

    async with running(stage):
        stage.synthesizer.fail_on = " "
        await ask()
        await ask()
        assert stage.room.texts == [NOTICE]
        assert stage.spoken == ""
        stage.synthesizer.fail_on = ""
        await ask()
        assert stage.spoken.startswith("you said hello")
        stage.synthesizer.fail_on = " "
        await ask()
    assert stage.room.texts == [NOTICE] * 2


async def test_nothing_is_written_while_the_room_is_out_of_reach(
    autojump_clock: MockClock,
) -> None:
    stage = scene()
    stage.synthesizer.fail_on = "you"
    async with running(stage):
        stage.room.put(LinkLost("test"))
        await stage.say("hello")
        await trio.sleep(10)
        assert stage.find("outcome").data["kind"] == "failed"
        assert stage.room.texts == []
        stage.room.put(LinkRestored())
        await stage.say("hello")
        await trio.sleep(10)
    assert stage.room.texts == [NOTICE]


async def test_a_room_that_does_not_take_it_holds_nobody_up(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    stage = scene()
    stage.room.text_s = math.inf
    stage.synthesizer.fail_on = "you"
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(1)
        assert not stage.agent._running
        stage.synthesizer.fail_on = ""
        await stage.say("again")
        await trio.sleep(WRITE_S)
    assert stage.heard[-1] == ("Ana", "again", "you said hello again.")
    assert "not written within" in caplog.text


async def test_a_room_that_refuses_it_is_no_end(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Refusing(FakeRoom):
        async def send_text(self, text: str, to: Speaker | None = None) -> None:
            await trio.lowlevel.checkpoint()
            raise RoomUnreachable("it takes no texts")

    stage = scene()
    stage.room = Refusing()
    stage.agent.parts = attrs.evolve(stage.agent.parts, room=stage.room)
    rebuild(stage)
    stage.synthesizer.fail_on = "you"
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(5)
        stage.synthesizer.fail_on = ""
        await stage.say("again")
        await trio.sleep(5)
    assert stage.heard[-1] == ("Ana", "again", "you said hello again.")
    assert "the apology could not be written: it takes no texts" in caplog.text


async def test_a_failed_phrase_says_which(autojump_clock: MockClock) -> None:
    stage = scene()
    stage.synthesizer.fail_on = "you"
    async with running(stage):
        await stage.say("hello")
        await trio.sleep(5)
    assert failure(stage) == "cannot say 'you said hello.'"


# --- the clock ------------------------------------------------------------------------


async def test_the_last_word_gives_all_patience_back(autojump_clock: MockClock) -> None:
    clock, listening, drafting = TurnClock(5), trio.CancelScope(), trio.CancelScope()
    began = trio.current_time()
    clock.bind(listening)
    clock.last_word(began)
    assert listening.deadline == began + 5
    await trio.sleep(5)
    clock.used_up()
    assert listening.deadline == math.inf
    clock.charge("an apology")
    assert listening.deadline == began + 5 + APOLOGY_S
    clock.last_word(began + 4)
    assert listening.deadline == began + 4 + 5
    clock.bind(drafting)
    assert (listening.deadline, drafting.deadline) == (math.inf, began + 4 + 5)
    clock.replace(listening, trio.CancelScope())
    clock.charge("the synthesizer")
    assert drafting.deadline == began + 4 + 5


def test_what_is_waited_for_twice_adds_up() -> None:
    budget = Budget(10)
    for at, wait in enumerate(("model", "voice", "model", "voice", "")):
        budget.charge(wait, at * 2.0)
    assert budget.told == "4.0 s for model, 4.0 s for voice"
    budget.charge("model", 20)
    assert budget.deadline == 22
    budget.renew()
    assert budget.deadline == math.inf
    budget.charge("voice", 15)
    assert budget.deadline == 25
    assert budget.told == ""
