from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs
import pytest
import trio
import trio.testing

from trioagent import Config
from trioagent.chain import FallbackChain, Link
from trioagent.config import LlmConfig
from trioagent.decisions.breaker import Breaker
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.guards.board import Guards
from trioagent.interfaces import Message
from trioagent.opening import open_chain

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTICE = "I can't reach my model, so I repeat."
SAID_FIRST = NOTICE + " you said"
DOWN = ProviderUnavailable("refused", hint="start it")
STALLED = ProviderError("stalled")


@attrs.define(eq=False)
class FakeModel:
    """Says `words`, then fails if `error` is set; unreachable if `check_error` is."""

    name: str
    words: tuple[str, ...] = ("ok",)
    error: ProviderError | None = None
    check_error: ProviderError | None = None
    checks: list[float] = attrs.field(factory=list)
    asked: list[tuple[Message, ...]] = attrs.field(factory=list)
    delay_s: float = 0.0
    open_replies: int = 0

    def break_down(self, error: ProviderError = DOWN) -> None:
        self.words, self.error, self.check_error = (), error, error

    def recover(self) -> None:
        self.words, self.error, self.check_error = ("ok",), None, None

    async def check(self) -> None:
        self.checks.append(trio.current_time())
        await trio.lowlevel.checkpoint()
        if self.check_error:
            raise self.check_error

    async def reply(
        self, messages: Sequence[Message], tokens: trio.MemorySendChannel[str]
    ) -> None:
        self.asked.append(tuple(messages))
        self.open_replies += 1
        await trio.sleep(self.delay_s)
        for word in self.words:
            await tokens.send(word)
        self.open_replies -= 1
        if self.error:
            raise self.error


@attrs.define(eq=False)
class Conversation:
    """Asks the chain; a turn that was heard makes the history longer."""

    chain: FallbackChain
    history: list[Message] = attrs.field(factory=lambda: [Message("system", "x")])

    async def ask(self, *, heard: bool = True) -> str:
        user = Message("user", f"question {len(self.history)}")
        send, receive = trio.open_memory_channel[str](math.inf)
        with send:
            await self.chain.reply([*self.history, user], send)
        said = "".join([piece async for piece in receive])
        if heard:
            self.history += [user, Message("assistant", said)]
        return said


def chain_of(*models: FakeModel) -> FallbackChain:
    first, *others = (Link(m, NOTICE if m.name == "echo" else "") for m in models)
    return FallbackChain([first, *others])


@pytest.fixture
def best() -> FakeModel:
    return FakeModel("best")


@pytest.fixture
def echo() -> FakeModel:
    return FakeModel("echo", ("you ", "said"))


async def test_the_best_replies(best: FakeModel, echo: FakeModel) -> None:
    chain = chain_of(best, echo)
    await chain.check()
    assert await Conversation(chain).ask() == "ok"
    assert chain.name == "best"
    assert echo.asked == echo.checks == []


@pytest.mark.parametrize("error", [DOWN, STALLED])
async def test_the_next_one_takes_over_in_the_same_reply(
    best: FakeModel, echo: FakeModel, error: ProviderError
) -> None:
    best.break_down(error)
    talk = Conversation(chain_of(best, echo))
    assert await talk.ask() == SAID_FIRST
    assert await talk.ask() == "you said"
    assert len(best.asked) == 1  # nobody waits for it again
    assert talk.chain.name == "echo"


async def test_a_notice_that_nobody_heard_is_said_again(
    best: FakeModel, echo: FakeModel
) -> None:
    best.break_down()
    talk = Conversation(chain_of(best, echo))
    assert await talk.ask(heard=False) == SAID_FIRST
    assert await talk.ask() == SAID_FIRST
    assert await talk.ask() == "you said"


async def test_it_comes_back_by_itself(
    best: FakeModel,
    echo: FakeModel,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
    caplog: pytest.LogCaptureFixture,
) -> None:
    talk = Conversation(chain_of(best, echo))
    nursery.start_soon(talk.chain.run)
    await trio.sleep(5)
    assert best.checks == []
    best.break_down()
    assert await talk.ask() == SAID_FIRST
    await trio.sleep(20.5)
    assert best.checks == [15.0, 25.0]
    best.recover()
    await trio.sleep(10)
    assert await talk.ask() == "ok"
    assert [r.message for r in caplog.records] == [
        "best is down: refused\n  start it",
        "best is back",
    ]
    await trio.sleep(100)
    assert len(best.checks) == 3  # nothing is asked while nothing is down
    best.break_down()
    assert await talk.ask() == SAID_FIRST  # another outage, another notice


async def test_one_that_only_seems_to_be_back_is_asked_less_and_less(
    best: FakeModel,
    echo: FakeModel,
    nursery: trio.Nursery,
    autojump_clock: trio.testing.MockClock,
) -> None:
    best.break_down(STALLED)
    best.check_error = None
    talk = Conversation(chain_of(best, echo))
    nursery.start_soon(talk.chain.run)
    said = []
    for _ in range(100):
        said.append(await talk.ask())
        await trio.sleep(1)
    assert said == [SAID_FIRST] + ["you said"] * 99
    assert len(best.asked) == 4  # at about 0, 10, 30, 70 s
    best.recover()
    await trio.sleep(100)
    assert await talk.ask() == "ok"
    best.break_down(STALLED)
    assert await talk.ask() == SAID_FIRST
    best.recover()
    await trio.sleep(10.5)
    assert await talk.ask() == "ok"


async def test_a_second_real_model_needs_no_notice(
    best: FakeModel, echo: FakeModel
) -> None:
    second = FakeModel("second", ("fine",))
    best.break_down()
    talk = Conversation(chain_of(best, second, echo))
    assert await talk.ask() == "fine"
    second.break_down()
    assert await talk.ask() == SAID_FIRST


async def test_what_broke_off_is_the_callers(best: FakeModel, echo: FakeModel) -> None:
    best.error = STALLED
    chain = chain_of(best, echo)
    send, receive = trio.open_memory_channel[str](math.inf)
    with send, pytest.raises(ProviderError, match="stalled"):
        await chain.reply([Message("user", "hi")], send)
    assert [piece async for piece in receive] == ["ok"]
    assert echo.asked == []


async def test_all_fail(best: FakeModel, echo: FakeModel) -> None:
    best.break_down()
    echo.break_down(STALLED)
    talk = Conversation(chain_of(best, echo))
    for call in (talk.chain.check, talk.ask):
        with pytest.raises(ProviderUnavailable, match="no language model") as caught:
            await call()
        assert "best: refused\n  start it" in caught.value.message
        assert "echo: stalled" in caught.value.message
    best.recover()
    assert await talk.ask() == "ok"  # all were down: any was worth another try
    assert talk.chain.name == "best"


async def test_a_check_spares_the_first_reply_the_wait(
    best: FakeModel, echo: FakeModel
) -> None:
    best.break_down()
    talk = Conversation(chain_of(best, echo))
    await talk.chain.check()
    assert await talk.ask() == SAID_FIRST
    assert best.asked == []


async def test_cancelling_ends_the_model(
    best: FakeModel, echo: FakeModel, autojump_clock: trio.testing.MockClock
) -> None:
    best.delay_s = 60
    talk = Conversation(chain_of(best, echo))
    with trio.move_on_after(1) as scope:
        await talk.ask()
    assert scope.cancelled_caught
    assert trio.current_time() == 1
    assert best.open_replies == 1  # it was entered and left in the middle
    assert echo.asked == []
    assert talk.chain.name == "best"  # a cancelled reply is no failure


async def test_a_reader_that_is_gone(best: FakeModel, echo: FakeModel) -> None:
    send, receive = trio.open_memory_channel[str](0)
    receive.close()
    with pytest.raises(trio.BrokenResourceError):
        await chain_of(best, echo).reply([Message("user", "hi")], send)
    assert echo.asked == []


def test_a_chain_needs_a_model() -> None:
    with pytest.raises(ValueError, match="needs a model"):
        FallbackChain([])


async def test_when_none_replies_nobody_waits_any_more(
    best: FakeModel, echo: FakeModel, autojump_clock: trio.testing.MockClock
) -> None:
    for model in (best, echo):
        model.break_down(STALLED)
        model.delay_s = 1
    talk = Conversation(chain_of(best, echo))
    took = []
    for _ in range(4):
        began = trio.current_time()
        with pytest.raises(ProviderUnavailable, match="stalled"):
            await talk.ask()
        took.append(trio.current_time() - began)
    assert took == [2, 2, 2, 0]
    best.recover()
    await trio.sleep(10)
    assert await talk.ask() == "ok"


async def test_replies_that_break_off_count(
    best: FakeModel, echo: FakeModel, caplog: pytest.LogCaptureFixture
) -> None:
    best.error = STALLED
    talk = Conversation(chain_of(best, echo))
    for _ in range(3):
        assert talk.chain.name == "best"
        with pytest.raises(ProviderError, match="stalled"):
            await talk.ask()
    assert await talk.ask() == SAID_FIRST
    assert [r.message for r in caplog.records] == ["best is down: stalled"]


async def test_a_breaker_of_their_own_is_told(
    best: FakeModel, echo: FakeModel, nursery: trio.Nursery
) -> None:
    breaker = Breaker(failures=1, retry_s=10)
    chain = FallbackChain([Link(best, breaker=breaker), Link(echo)])
    best.break_down()
    await Conversation(chain).ask()
    assert breaker.state(trio.current_time()) == "open"
    assert breaker.last_error == str(DOWN)


async def test_probing_does_not_spin_while_a_reply_finds_out(
    best: FakeModel, nursery: trio.Nursery, autojump_clock: trio.testing.MockClock
) -> None:
    talk = Conversation(FallbackChain([Link(best, breaker=Breaker(1, 10))]))
    best.break_down()
    with pytest.raises(ProviderUnavailable):
        await talk.ask()
    await trio.sleep(10)
    best.recover()
    best.delay_s = 60
    nursery.start_soon(talk.chain.run)
    assert await talk.ask() == "ok"
    assert best.checks == []


async def test_one_that_broke_off_and_then_fails_is_down(
    best: FakeModel, echo: FakeModel
) -> None:
    best.error = STALLED
    talk = Conversation(chain_of(best, echo))
    with pytest.raises(ProviderError, match="stalled"):
        await talk.ask()
    best.break_down()
    assert await talk.ask() == SAID_FIRST
    assert await talk.ask() == "you said"
    assert len(best.asked) == 2


async def test_a_reply_that_finds_out_first_leaves_nothing_to_probe(
    best: FakeModel,
    echo: FakeModel,
    autojump_clock: trio.testing.MockClock,
    nursery: trio.Nursery,
) -> None:
    talk = Conversation(chain_of(best, echo))
    nursery.start_soon(talk.chain.run)
    best.words, best.error = ("o",), STALLED
    with pytest.raises(ProviderError):
        await talk.ask()
    await trio.testing.wait_all_tasks_blocked()
    best.recover()
    assert await talk.ask() == "ok"
    await trio.sleep(60)
    assert best.checks == []


async def test_models_that_are_down_at_the_start_are_only_warned_about(
    autojump_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    model = FakeModel("first")
    model.break_down()
    guarded = Guards(Config()).language_model(model)
    async with open_chain([guarded], LlmConfig()):
        await trio.sleep(1)
        assert "refused" in caplog.text
    model.checks.clear()
    async with open_chain([guarded], LlmConfig(), warm=False):
        await trio.testing.wait_all_tasks_blocked()
    assert model.checks == []
