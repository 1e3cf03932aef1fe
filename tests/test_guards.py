"""No wait on a provider is longer than configured, on a virtual clock."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from trioagent import Config
from trioagent.config import AsrConfig, BreakerConfig, LlmConfig, TtsConfig
from trioagent.errors import ProviderError, ProviderUnavailable
from trioagent.guards.board import Guards
from trioagent.interfaces import Message, Outlet, Pcm, Speech

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from trio.testing import MockClock

PIECE = Speech(np.zeros(100, np.int16))
PCM = np.zeros(320, np.int16)
CONFIG = Config(
    asr=AsrConfig(timeout_s=3),
    llm=LlmConfig(timeout_s=4),
    tts=TtsConfig(timeout_s=5),
    breaker=BreakerConfig(failures=2, retry_s=10),
)
MESSAGES = [Message("user", "hello")]


@attrs.define(eq=False)
class Slow:
    """Every kind of model: waits for `waits` in turn before each of its steps."""

    waits: list[float] = attrs.Factory(list)
    error: Exception | None = None
    steps: int = 0
    open: int = 0
    rate_hz: int = 1000
    name: str = "slow"

    async def step(self) -> None:
        self.steps += 1
        self.open += 1
        try:
            await trio.sleep(self.waits.pop(0) if self.waits else 0)
            if self.error is not None:
                raise self.error
        finally:
            self.open -= 1

    # --- a recognizer and its stream

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Slow]:
        await self.step()
        # What a stream may hold on to while it is open.
        with trio.CancelScope():
            yield self
        await self.step()

    async def feed(self, pcm: Pcm) -> str:
        await self.step()
        return f"{len(pcm)} samples"

    async def finish(self) -> str:
        await self.step()
        return "final"

    # --- a synthesizer

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        for _ in phrase.split():
            await self.step()
            await audio.send(PIECE)
        await self.step()

    # --- a language model

    async def check(self) -> None:
        await self.step()

    async def reply(self, messages: Sequence[Message], tokens: Outlet[str]) -> None:
        for word in messages[-1].content.split():
            await self.step()
            await tokens.send(word)
        await self.step()


async def utterance(guards: Guards, slow: Slow) -> str:
    async with guards.recognizer(slow, "slow").stream() as stream:
        assert await stream.feed(PCM) == "320 samples"
        return await stream.finish()


RECOGNIZER_STEPS = (
    "opened no stream",
    "gave no answer to a piece of audio",
    "gave no final transcript",
    "did not close a stream",
)


@pytest.mark.parametrize("step", range(4))
async def test_each_answer_of_a_recognizer_is_bounded(
    step: int, autojump_clock: MockClock
) -> None:
    slow = Slow([0.0] * step + [math.inf])
    with pytest.raises(ProviderError) as caught:
        await utterance(Guards(CONFIG), slow)
    assert trio.current_time() == 3
    assert caught.value.message == (
        f"asr.timeout_s = 3: the recognizer slow {RECOGNIZER_STEPS[step]} within 3 s"
    )
    assert caught.value.hint == "if it is only slow, raise asr.timeout_s"
    assert slow.open == 0


async def test_a_recognizer_that_is_slow_each_time_is_no_failure(
    autojump_clock: MockClock,
) -> None:
    guards = Guards(CONFIG)
    assert await utterance(guards, Slow([2.9] * 4)) == "final"
    assert guards.states == {"recognizer slow": "closed"}


async def test_what_its_caller_does_with_a_stream_takes_its_time(
    autojump_clock: MockClock,
) -> None:
    slow = Slow()
    async with Guards(CONFIG).recognizer(slow, "slow").stream() as stream:
        for _ in range(3):
            await trio.sleep(60)
            await stream.feed(PCM)
        await stream.finish()
    assert slow.steps == 6


@pytest.mark.parametrize(
    ("waits", "pieces", "what"),
    [
        ([math.inf], 0, "gave no first piece"),
        ([4.9, 4.9, math.inf], 2, "gave no further piece"),
        ([0, 0, 0, math.inf], 3, "gave no further piece"),
    ],
)
async def test_each_piece_of_a_phrase_is_waited_for_so_long(
    waits: list[float], pieces: int, what: str, autojump_clock: MockClock
) -> None:
    guard = Guards(CONFIG).synthesizer(Slow(list(waits)), "slow")
    send, receive = trio.open_memory_channel[Speech](math.inf)
    with pytest.raises(ProviderError) as caught:
        await guard.synthesize("one two three", send)
    assert caught.value.message == (
        f"tts.timeout_s = 5: the synthesizer slow {what} within 5 s"
    )
    assert trio.current_time() == sum(w for w in waits if w < 10) + 5
    assert receive.statistics().current_buffer_used == pieces


async def test_a_reader_that_holds_it_back_is_not_the_synthesizers_fault(
    autojump_clock: MockClock,
) -> None:
    guards = Guards(CONFIG)
    guarded = guards.synthesizer(Slow([4.0] * 4), "slow")
    send, receive = trio.open_memory_channel[Speech](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guarded.synthesize, "one two three", send)
        for _ in range(3):
            await trio.sleep(100)
            assert await receive.receive() is PIECE
    assert guards.states == {"synthesizer slow": "closed"}
    assert not guards.health[0].last_error


@pytest.mark.parametrize(
    ("waits", "what"),
    [
        ([math.inf], "gave no first piece"),
        ([3.9, math.inf], "gave no further piece"),
    ],
)
async def test_each_piece_of_a_reply_is_waited_for_so_long(
    waits: list[float], what: str, autojump_clock: MockClock
) -> None:
    slow = Slow(waits)
    model = Guards(CONFIG).language_model(slow)
    send, _receive = trio.open_memory_channel[str](math.inf)
    with pytest.raises(ProviderError) as caught:
        await model.reply(MESSAGES, send)
    assert caught.value.message == (
        f"llm.timeout_s = 4: the language model slow {what} within 4 s"
    )
    assert slow.open == 0


async def test_a_reader_that_holds_it_back_is_not_the_models_fault(
    autojump_clock: MockClock,
) -> None:
    model = Guards(CONFIG).language_model(Slow())
    send, receive = trio.open_memory_channel[str](0)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(model.reply, MESSAGES, send)
        await trio.sleep(100)
        assert await receive.receive() == "hello"


async def test_a_check_is_bounded_too(autojump_clock: MockClock) -> None:
    model = Guards(CONFIG).language_model(Slow([math.inf]))
    with pytest.raises(ProviderError, match="did not say whether it can be used"):
        await model.check()
    assert trio.current_time() == 4


async def test_a_provider_that_fails_is_spared_and_found_to_be_back(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    guards, slow = Guards(CONFIG), Slow(error=ProviderError("no such voice"))
    guarded = guards.synthesizer(slow, "slow")
    send, _receive = trio.open_memory_channel[Speech](math.inf)
    for _ in range(2):
        with pytest.raises(ProviderError, match="no such voice"):
            await guarded.synthesize("x", send)
    await trio.sleep(4)
    with pytest.raises(ProviderUnavailable) as caught:
        await guarded.synthesize("x", send)
    assert caught.value.message == (
        "the synthesizer slow failed 2 times in a row and is not asked for 6 s more: "
        "no such voice"
    )
    assert caught.value.hint.startswith("[breaker] says")
    assert slow.steps == 2
    (health,) = guards.health
    assert (health.state, health.retry_in_s) == ("open", 6)
    slow.error = None
    await trio.sleep(6)
    assert guards.states == {"synthesizer slow": "half-open"}
    await guarded.synthesize("x", send)
    assert guards.states == {"synthesizer slow": "closed"}
    assert [r.message for r in caplog.records] == [
        "the synthesizer slow is not asked any more: no such voice",
        "the synthesizer slow is back",
    ]


async def test_a_probe_that_fails_is_no_news(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    guards, slow = Guards(CONFIG), Slow(error=ProviderError("no such voice"))
    guarded = guards.synthesizer(slow, "slow")
    send, _receive = trio.open_memory_channel[Speech](math.inf)
    for _ in range(4):
        with pytest.raises(ProviderError, match="no such voice"):
            await guarded.synthesize("x", send)
        await trio.sleep(10)
    assert [r.message for r in caplog.records] == [
        "the synthesizer slow is not asked any more: no such voice"
    ]


async def test_while_one_finds_out_the_others_are_told_of_no_pause(
    autojump_clock: MockClock,
) -> None:
    guards, slow = Guards(CONFIG), Slow(error=ProviderError("crashed"))
    guarded = guards.synthesizer(slow, "slow")
    send, _receive = trio.open_memory_channel[Speech](math.inf)
    for _ in range(2):
        with pytest.raises(ProviderError, match="crashed"):
            await guarded.synthesize("x", send)
    slow.error, slow.waits = None, [4.0]
    await trio.sleep(10)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guarded.synthesize, "x", send)
        await trio.sleep(3)
        with pytest.raises(ProviderUnavailable, match="not asked for 0 s more"):
            await guarded.synthesize("x", send)


async def test_a_language_model_is_spared_for_as_long_as_its_own_key_says() -> None:
    guards = Guards(attrs.evolve(CONFIG, llm=LlmConfig(retry_s=7)))
    assert guards.language_model(Slow()).guard.breaker.retry_s == 7
    assert guards.recognizer(Slow(), "slow").guard.breaker.retry_s == 10


async def test_pieces_that_need_no_wait_are_pieces(autojump_clock: MockClock) -> None:
    class Nowait(Slow):
        async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
            for _ in range(3):
                await trio.sleep(4)
                audio.send_nowait(PIECE)
            await trio.sleep_forever()

    guarded = Guards(CONFIG).synthesizer(Nowait(), "slow")
    send, _receive = trio.open_memory_channel[Speech](math.inf)
    with pytest.raises(ProviderError, match="gave no further piece"):
        await guarded.synthesize("x", send)
    assert trio.current_time() == 3 * 4 + 5


async def test_one_utterance_finds_out_and_the_others_fail_meanwhile(
    autojump_clock: MockClock,
) -> None:
    guards, slow = Guards(CONFIG), Slow(error=ProviderError("crashed"))
    guarded = guards.recognizer(slow, "slow")

    async def utter() -> str:
        async with guarded.stream() as stream:
            return await stream.finish()

    for _ in range(2):
        with pytest.raises(ProviderError, match="crashed"):
            await utter()
    slow.error = None
    await trio.sleep(10)
    async with guarded.stream() as probe:
        with pytest.raises(ProviderUnavailable, match="crashed"):
            await utter()
        assert await probe.finish() == "final"
    assert await utter() == "final"


async def test_an_error_in_a_group_counts_too(autojump_clock: MockClock) -> None:
    group = ExceptionGroup("", [ExceptionGroup("", [ProviderError("deep")])])
    guards = Guards(CONFIG)
    guarded = guards.synthesizer(Slow(error=group), "slow")
    send, _receive = trio.open_memory_channel[Speech](1)
    with pytest.raises(ExceptionGroup):
        await guarded.synthesize("x", send)
    assert guards.health[0].last_error == "deep"


@pytest.mark.parametrize("how", ["cancelled", "reader gone"])
async def test_who_goes_away_says_nothing_about_the_provider(
    how: str, autojump_clock: MockClock
) -> None:
    guards, slow = Guards(CONFIG), Slow([2.0])
    guarded = guards.synthesizer(slow, "slow")
    send, receive = trio.open_memory_channel[Speech](0)
    for _ in range(5):
        slow.waits = [2.0]
        if how == "cancelled":
            with trio.move_on_after(1):
                await guarded.synthesize("x", send)
        else:
            receive.close()
            with pytest.raises(trio.BrokenResourceError):
                await guarded.synthesize("x", send)
    assert guards.states == {"synthesizer slow": "closed"}
    assert guards.health[0].failures_in_a_row == 0
    assert slow.open == 0


async def test_a_cancelled_utterance_is_neither(autojump_clock: MockClock) -> None:
    guards, slow = Guards(CONFIG), Slow(error=ProviderError("crashed"))
    guarded = guards.recognizer(slow, "slow")
    for _ in range(2):
        with pytest.raises(ProviderError):
            async with guarded.stream():
                pass
    slow.error = None
    await trio.sleep(10)
    for _ in range(3):
        with trio.move_on_after(1):
            async with guarded.stream() as stream:
                await stream.feed(PCM)
                await trio.sleep_forever()
    # Whoever comes next may find out.
    assert guards.states == {"recognizer slow": "half-open"}
    async with guarded.stream() as stream:
        assert await stream.finish() == "final"
    assert guards.states == {"recognizer slow": "closed"}
