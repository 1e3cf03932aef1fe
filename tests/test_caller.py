"""`trioagent call` against an agent whose every reaction is known to the ms."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.fake_room import AGENT, LOUD, FakeRoom, ScriptedAgent, tone
from trioagent.calling.caller import call
from trioagent.calling.plan import CallPlan, CallResult
from trioagent.calling.talk_spurts import Interruption
from trioagent.calling.utterances import Utterance
from trioagent.errors import ConfigError, RoomUnreachable, TrioagentError
from trioagent.interfaces import LinkLost, Speaker, SpeakerJoined, SpeakerLeft

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from trio.testing import MockClock

    from trioagent.calling.utterances import Release
    from trioagent.interfaces import Pcm, Recognizer, RoomEvent

HELLO = Utterance("hello", np.concatenate([tone(LOUD, 1.0), tone(0, 0.6)]), 16_000)
WAIT = Utterance("wait", tone(LOUD, 0.4), 16_000)
# Between two ticks of the agent, so that nothing happens at the same time.
PLAN = CallPlan(utterances=(HELLO,), interrupt_at_s=1.005)


@attrs.frozen
class _Runs:
    """An agent that is one function."""

    run: Callable[[], Awaitable[None]]


async def run_call(
    room: FakeRoom,
    agent: ScriptedAgent | _Runs | None,
    plan: CallPlan,
    recognizer: Recognizer | None = None,
) -> list[CallResult]:
    send, receive = trio.open_memory_channel[CallResult](math.inf)
    failure = None
    async with trio.open_nursery() as nursery, send:
        if agent is not None:
            nursery.start_soon(agent.run)
        try:
            await call(room, "trioagent", plan, send, recognizer)
        except TrioagentError as error:
            failure = error
        nursery.cancel_scope.cancel()
    if failure:
        raise failure
    return [result async for result in receive]


async def test_reply_is_timed_from_the_last_speech_not_from_the_last_packet(
    autojump_clock: MockClock,
) -> None:
    room = FakeRoom()
    (result,) = await run_call(room, ScriptedAgent(room, after_s=0.7), PLAN)
    assert result.ttfa_ms == 700.0
    assert result.reply_s == 2.0
    assert result.heard.shape == (32_000,)
    assert result.to_json() == {
        "said": "hello",
        "interrupts": False,
        "ttfa_ms": 700.0,
        "reply_s": 2.0,
    }


@pytest.mark.parametrize(
    ("release", "packets", "terminated"),
    [("voice", 60, [59]), ("ptt", 50, [49]), ("none", 50, [])],
)
async def test_frames_leave_in_real_time_and_end_as_the_client_does(
    autojump_clock: MockClock, release: Release, packets: int, terminated: list[int]
) -> None:
    room = FakeRoom(rate_hz=48_000)
    agent = ScriptedAgent(room)
    (result,) = await run_call(room, agent, attrs.evolve(PLAN, release=release))
    assert result.ttfa_ms == 700.0
    start = room.written[0].time
    due = [start + i * 0.02 for i in range(packets)]
    assert [w.time for w in room.written] == pytest.approx(due, abs=1e-6)
    assert [i for i, w in enumerate(room.written) if w.last] == terminated
    assert {(w.samples, w.rate_hz) for w in room.written} == {(960, 48_000)}


async def test_pause_in_the_utterance_is_not_sent(autojump_clock: MockClock) -> None:
    room = FakeRoom()
    pcm = np.concatenate([tone(LOUD, 0.2), tone(0, 0.5), tone(LOUD, 0.2)])
    plan = attrs.evolve(PLAN, utterances=(Utterance("a ... b", pcm, 16_000),))
    # 0.6 s is longer than the pause, so the agent answers once.
    (result,) = await run_call(room, ScriptedAgent(room, after_s=0.6), plan)
    assert result.ttfa_ms == 600.0
    assert [i for i, w in enumerate(room.written) if w.last] == [19, 39]
    gap_s = room.written[20].time - room.written[19].time
    assert gap_s == pytest.approx(0.32)  # 0.5 s without the hold, and a frame


async def test_reply_of_several_talk_spurts_is_one_reply(
    autojump_clock: MockClock,
) -> None:
    room = FakeRoom()
    agent = ScriptedAgent(room, spurts_s=(0.4, 1.0))
    (result,) = await run_call(room, agent, PLAN)
    assert result.ttfa_ms == 700.0
    assert result.reply_s == 1.9
    assert not result.heard[6400:14_400].any()
    assert result.heard[14_400:].all()
    assert len(result.heard) == 30_400


async def test_next_utterance_waits_until_the_reply_is_over_and_settled(
    autojump_clock: MockClock,
) -> None:
    room = FakeRoom()
    plan = attrs.evolve(PLAN, utterances=(HELLO, WAIT))
    first, second = await run_call(room, ScriptedAgent(room), plan)
    assert (first.said, second.said) == ("hello", "wait")
    assert (first.ttfa_ms, second.ttfa_ms) == (700.0, 700.0)
    began_s = room.written[60].time
    last_reply_packet_s = room.written[49].time + 0.7 + 1.98
    # reply_gap_s and settle_s
    assert began_s - last_reply_packet_s == pytest.approx(1.3)


async def test_no_reply_is_a_result_and_takes_the_timeout(
    autojump_clock: MockClock,
) -> None:
    room = FakeRoom()
    (result,) = await run_call(room, ScriptedAgent(room, after_s=None), PLAN)
    assert result.ttfa_ms is None
    assert result.reply_s == 0.0
    assert result.heard.shape == (0,)
    waited_s = trio.current_time() - room.written[49].time
    assert waited_s == pytest.approx(15.0)


async def test_interruption_is_timed_from_its_first_packet(
    autojump_clock: MockClock,
) -> None:
    room = FakeRoom()
    agent = ScriptedAgent(
        room, spurts_s=(5.0,), fade_after_s=0.09, stop_after_s=0.29, terminates=True
    )
    plan = attrs.evolve(PLAN, interruption=WAIT)
    result, answer = await run_call(room, agent, plan)
    assert result.ttfa_ms == 700.0
    # The agent's ticks are 15 ms off our packets: 95 is its first at or after 90.
    assert result.interruption == Interruption(duck_ms=95.0, stop_ms=275.0)
    assert result.reply_s == 1.3
    assert result.to_json()["stop_ms"] == 275.0
    assert (answer.said, answer.interrupts) == ("wait", True)
    assert answer.ttfa_ms == 700.0
    assert answer.reply_s == 5.0
    assert answer.interruption is None


@pytest.mark.parametrize("terminates", [True, False])
async def test_agent_that_stops_at_once_ducks_where_it_stops(
    autojump_clock: MockClock, terminates: bool
) -> None:
    room = FakeRoom()
    agent = ScriptedAgent(room, stop_after_s=0.06, terminates=terminates)
    result, answer = await run_call(room, agent, attrs.evolve(PLAN, interruption=WAIT))
    assert result.interruption == Interruption(duck_ms=55.0, stop_ms=55.0)
    assert answer.ttfa_ms == 700.0


async def test_agent_that_lets_nobody_interrupt_answers_when_it_is_done(
    autojump_clock: MockClock,
) -> None:
    """Its patience with us is longer than ours, which starts when it is silent."""
    room = FakeRoom()
    plan = attrs.evolve(PLAN, interruption=WAIT)
    result, answer = await run_call(room, ScriptedAgent(room, spurts_s=(18.0,)), plan)
    assert result.interruption == Interruption(duck_ms=None, stop_ms=16_975.0)
    assert result.reply_s == 18.0
    assert answer.ttfa_ms == 16_615.0


async def test_reply_that_goes_on_is_no_answer_to_the_interruption(
    autojump_clock: MockClock,
) -> None:
    """It pauses for us, takes us for a cough, and resumes before we are done."""
    room = FakeRoom()

    async def resume_too_early() -> None:
        room.put(SpeakerJoined(AGENT))
        await room.spoke.wait()
        await trio.sleep(1.5)
        for packets in (55, 100):
            for _ in range(packets):
                room.voice(tone(LOUD))
                await trio.sleep(0.02)
            room.voice(tone(0, 0), ends_talk=True)
            await trio.sleep(0.1)

    plan = attrs.evolve(PLAN, interruption=WAIT)
    result, answer = await run_call(room, _Runs(resume_too_early), plan)
    # Its packets come 15 ms off ours: at 1.08 s the last before, at 3.18 s of all.
    assert result.interruption == Interruption(duck_ms=75.0, stop_ms=2175.0)
    assert result.reply_s == 3.2
    assert answer.ttfa_ms is None
    assert answer.heard.shape == (0,)


async def test_interruption_never_falls_between_two_talk_spurts(
    autojump_clock: MockClock,
) -> None:
    """At 1.005 s the agent is silent until 1.5 s; then it is interrupted."""
    room = FakeRoom()
    agent = ScriptedAgent(room, spurts_s=(1.0, 2.0), stop_after_s=0.05)
    plan = attrs.evolve(PLAN, interruption=WAIT)
    result, answer = await run_call(room, agent, plan)
    reply_began_s = room.written[49].time + 0.7
    assert room.written[60].time - reply_began_s == pytest.approx(1.5)
    assert result.interruption == Interruption(duck_ms=40.0, stop_ms=40.0)
    assert answer.ttfa_ms == 700.0


async def test_reply_too_short_to_interrupt(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    room = FakeRoom()
    plan = attrs.evolve(PLAN, interruption=WAIT)
    (result,) = await run_call(room, ScriptedAgent(room, spurts_s=(0.5,)), plan)
    assert result.ttfa_ms == 700.0
    assert result.to_json()["stop_ms"] is None
    assert len(room.loud_times()) == 50
    assert "hello: no reply long enough to interrupt" in caplog.text


async def test_agent_that_speaks_already_is_let_finish(
    autojump_clock: MockClock,
) -> None:
    """What it says of its own is no reply, and no reason to talk over it."""
    room = FakeRoom()
    agent = ScriptedAgent(room)

    async def greet_then_answer() -> None:
        for _ in range(50):
            room.voice(tone(LOUD))
            await trio.sleep(0.02)
        await agent.run()

    room.put(SpeakerJoined(AGENT))
    (result,) = await run_call(room, _Runs(greet_then_answer), PLAN)
    assert room.written[0].time - 0.98 == pytest.approx(0.5)
    assert result.ttfa_ms == 700.0
    assert result.reply_s == 2.0


async def test_reply_that_begins_too_early_has_a_negative_time(
    autojump_clock: MockClock,
) -> None:
    room = FakeRoom()

    async def answer_early() -> None:
        room.put(SpeakerJoined(AGENT))
        await room.spoke.wait()
        await trio.sleep(0.58)
        for _ in range(50):
            room.voice(tone(LOUD))
            await trio.sleep(0.02)

    (result,) = await run_call(room, _Runs(answer_early), PLAN)
    assert result.ttfa_ms == -400.0
    assert result.reply_s == 1.0


async def test_somebody_elses_voice_is_no_reply(autojump_clock: MockClock) -> None:
    room = FakeRoom()

    async def chatter() -> None:
        room.put(SpeakerJoined(AGENT))
        while True:
            room.voice(tone(LOUD), who=Speaker(9, "Ana"))
            await trio.sleep(0.02)

    (result,) = await run_call(room, _Runs(chatter), PLAN)
    assert result.ttfa_ms is None


async def test_nobody_of_that_name(autojump_clock: MockClock) -> None:
    room = FakeRoom()
    room.put(SpeakerJoined(Speaker(1, "caller")))
    room.put(SpeakerJoined(Speaker(9, "Ana")))
    with pytest.raises(TrioagentError, match="'trioagent' is in here:64738") as caught:
        await run_call(room, None, PLAN)
    assert "who is there: Ana;" in caught.value.hint
    assert trio.current_time() == pytest.approx(5.0)
    assert not room.written


@pytest.mark.parametrize(
    ("event", "error", "words"),
    [
        (SpeakerLeft(AGENT), TrioagentError, "'trioagent' left here"),
        (LinkLost("no answer"), RoomUnreachable, "lost during the call: no answer"),
        (None, RoomUnreachable, "the room was closed"),
    ],
)
async def test_call_ends_when_the_agent_or_the_room_goes(
    autojump_clock: MockClock,
    event: RoomEvent | None,
    error: type[Exception],
    words: str,
) -> None:
    room = FakeRoom()

    async def go_away() -> None:
        room.put(SpeakerJoined(AGENT))
        await trio.sleep(1)
        if event is None:
            room.close()
        else:
            room.put(event)

    with pytest.raises(error, match=words):
        await run_call(room, _Runs(go_away), PLAN)
    assert trio.current_time() == pytest.approx(1.0, abs=0.03)


async def test_utterance_without_speech_is_refused_before_anything_is_said(
    autojump_clock: MockClock,
) -> None:
    room = FakeRoom()
    silence = Utterance("quiet.wav", tone(0, 1.0), 16_000)
    plan = attrs.evolve(PLAN, utterances=(HELLO, silence))
    with pytest.raises(ConfigError, match=r"quiet\.wav: there is only silence"):
        await run_call(room, ScriptedAgent(room), plan)
    assert not room.written


class CountingRecognizer:
    """Its transcript says how much it was fed."""

    def __init__(self) -> None:
        self.fed: list[int] = []

    @asynccontextmanager
    async def stream(self) -> AsyncGenerator[CountingRecognizer]:
        yield self

    async def feed(self, pcm: Pcm) -> str:
        self.fed.append(len(pcm))
        return ""

    async def finish(self) -> str:
        return f"{sum(self.fed)} samples"


async def test_transcript_is_made_of_the_reply(autojump_clock: MockClock) -> None:
    room = FakeRoom()
    recognizer = CountingRecognizer()
    agent = ScriptedAgent(room, spurts_s=(0.26,))
    (result,) = await run_call(room, agent, PLAN, recognizer)
    assert result.to_json()["transcript"] == "4160 samples"
    assert recognizer.fed == [1600, 1600, 960]


async def test_no_reply_has_an_empty_transcript(autojump_clock: MockClock) -> None:
    room = FakeRoom()
    agent = ScriptedAgent(room, after_s=None)
    (result,) = await run_call(room, agent, PLAN, CountingRecognizer())
    assert result.to_json()["transcript"] == ""
