"""Whole conversations on a virtual clock, with fake parts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import (
    ANA,
    BEN,
)
from tests.scene import CONFIG, WORD_S, Scene, running
from trioagent.config import BargeInConfig
from trioagent.errors import ProviderError
from trioagent.interfaces import (
    HEARING_RATE_HZ,
    LinkLost,
    Speaker,
    SpeakerLeft,
)

if TYPE_CHECKING:
    from trio.testing import MockClock


async def test_what_is_said_is_answered(autojump_clock: MockClock) -> None:
    async with running(Scene()) as scene:
        await scene.say("hello out there", terminator=False)
        await trio.sleep(5)
    assert scene.spoken == "you said hello out there."
    assert scene.heard == [("Ana", "hello out there", "you said hello out there.")]
    assert scene.room.frames[-1].last
    # The hold is over 300 ms after the last packet; the draft was ready long before.
    first = scene.room.frames[0].time
    assert first == pytest.approx(3 * WORD_S + 0.3, abs=0.01)


async def test_a_yes_into_the_silence_is_answered(autojump_clock: MockClock) -> None:
    async with running(Scene()) as scene:
        await scene.say("yeah")
        await trio.sleep(5)
    assert scene.heard == [("Ana", "yeah", "you said yeah.")]


async def test_a_yes_that_has_interrupted_is_answered(
    autojump_clock: MockClock,
) -> None:
    async with running(Scene()) as scene:
        await scene.say("tell me a long story about all of it")
        await trio.sleep(1)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, "yeah okay")
            await trio.sleep(0.1)
            (reply,) = (turn for turn in scene.agent._running if turn.audible)
            reply.interrupt("test")
        await trio.sleep(5)
    assert [said for _, said, _ in scene.heard][-1] == "yeah okay"


async def test_frames_go_out_on_the_grid(autojump_clock: MockClock) -> None:
    async with running(Scene()) as scene:
        await scene.say("hello")
        await trio.sleep(5)
    times = [f.time for f in scene.room.frames]
    assert np.diff(times) == pytest.approx(0.02)


async def test_a_released_key_ends_the_turn_at_once(autojump_clock: MockClock) -> None:
    async with running(Scene()) as scene:
        await scene.say("hello there")
        await trio.sleep(5)
    assert scene.find("speech_ended").data["cause"] == "released"
    ended = scene.find("speech_ended").t
    assert ended == pytest.approx(2 * WORD_S - 0.06, abs=0.001)
    assert scene.spoken == "you said hello there."


async def test_a_voice_activated_client_is_answered_after_the_hold(
    autojump_clock: MockClock,
) -> None:
    async with running(Scene()) as scene:
        await scene.say("hello there", quiet_s=0.2)
        await trio.sleep(5)
    ended = scene.find("speech_ended")
    assert ended.data["cause"] == "silence"
    assert ended.t - ended.data["last_speech"] == pytest.approx(0.3, abs=0.001)


async def test_a_pause_draft_with_other_words_is_never_heard(
    autojump_clock: MockClock,
) -> None:
    async with running(Scene()) as scene:
        await scene.say("what is", terminator=False)
        await trio.sleep(0.25)
        await scene.say("that thing", terminator=False)
        await trio.sleep(6)
    assert scene.spoken == "you said what is that thing."
    # "what is", and "what is that", which is a whole question.
    assert scene.names(1).count("draft_discarded") == 2
    assert scene.names(1).count("committed") == 1


async def test_speech_that_resumes_before_the_reply_joins_the_turn(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.model.first_token_s = 0.6
    async with running(scene):
        await scene.say("hello there")  # released: final at once
        await trio.sleep(0.3)
        await scene.say("my friend")
        await trio.sleep(6)
    assert scene.spoken == "you said hello there my friend."
    assert scene.heard == [
        ("Ana", "hello there my friend", "you said hello there my friend.")
    ]
    assert "speech_resumed" in scene.names(1)


async def test_nothing_is_lost_while_the_recognizer_finishes(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.recognizer.finish_s = 0.4
    async with running(scene):
        await scene.say("hello there")
        await trio.sleep(0.05)
        await scene.say("my dear old friend")
        await trio.sleep(8)
    assert scene.heard[0][1] == "hello there my dear old friend"
    assert scene.spoken == "you said hello there my dear old friend."


async def test_noise_that_resumes_keeps_the_draft(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.model.first_token_s = 0.6
    noise = np.full(3200, 999, np.int16)  # no word has this number
    async with running(scene):
        await scene.say("hello there")
        await trio.sleep(0.2)
        await scene.room.say(ANA, noise, terminator=False)
        await trio.sleep(6)
    assert scene.spoken == "you said hello there."
    assert len(scene.model.prompts) == 1


async def test_barge_in_cuts_the_reply_and_the_history(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.model.replies["tell me"] = "one two three four five six seven eight nine."
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(1.0)
        onset = trio.current_time()
        await scene.say("stop it now")
        await trio.sleep(6)
    first, second = scene.heard
    assert first[:2] == ("Ana", "tell me")
    assert second[:2] == ("Ana", "stop it now")
    interrupted = next(e for n, e in scene.events if e.name == "interrupted")
    assert interrupted.data == {"reason": "barge-in", "by": "Ana"}
    reply = scene.talk_spurts[0]
    # It ducked at the first packet with a voice in it, and never came back.
    assert reply[-1].time == pytest.approx(onset + 0.03, abs=0.011)
    heard = scene.vocabulary.read(np.concatenate([f.pcm for f in reply]))
    assert heard.startswith(first[2])
    assert len(heard.split()) - len(first[2].split()) <= 1
    assert scene.spoken.endswith("you said stop it now.")


async def test_speech_whose_words_are_late_interrupts_by_its_length(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.recognizer.lag_s = 5
    scene.model.replies["tell me"] = "one two three four five six seven eight nine."
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(1.0)
        onset = trio.current_time()
        await scene.say("stop it now")
        await trio.sleep(6)
    interrupted = scene.find("interrupted")
    began = scene.find("speech_started", turn=2)
    assert began.name
    assert interrupted.t == pytest.approx(onset - 0.06 + 0.4, abs=0.021)
    assert len(scene.talk_spurts) == 2


async def test_the_next_prompt_holds_only_what_was_heard(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.model.replies["tell me"] = "one two three four five six seven eight nine."
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(1.0)
        await scene.say("stop it now")
        await trio.sleep(6)
    prompt = scene.model.prompts[-1]
    assert [m.role for m in prompt] == ["system", "user", "assistant", "user"]
    assert prompt[2].content == scene.heard[0][2]
    assert "nine" not in prompt[2].content


@pytest.mark.parametrize("text", ["uh huh", "okay", "yeah right"])
async def test_a_backchannel_interrupts_nothing_and_is_not_answered(
    text: str, autojump_clock: MockClock
) -> None:
    config = attrs.evolve(CONFIG, barge_in=BargeInConfig(confirm_ms=800))
    scene = Scene(config)
    scene.model.replies["tell me"] = "one two three four five six seven eight nine."
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(1.0)
        await scene.say(text)
        await trio.sleep(6)
    assert scene.spoken == "one two three four five six seven eight nine."
    assert len(scene.heard) == 1
    assert scene.find("outcome", turn=2).data["kind"] == "ignored"


@pytest.mark.parametrize(
    ("allow", "who", "cut"),
    [
        ("anyone", BEN, True),
        ("addressee", BEN, False),
        ("addressee", ANA, True),
        ("nobody", ANA, False),
    ],
)
async def test_who_may_interrupt(
    allow: str, who: Speaker, cut: bool, autojump_clock: MockClock
) -> None:
    config = attrs.evolve(CONFIG, barge_in=BargeInConfig(allow=allow))
    scene = Scene(config)
    scene.model.replies["tell me"] = "one two three four five six seven eight nine."
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(1.0)
        await scene.say("hold everything please", who)
        await trio.sleep(8)
    assert ("nine." not in scene.spoken.split()) is cut
    # Either way, both have been answered, one after the other.
    assert scene.heard[-1][1] == "hold everything please"
    assert scene.spoken.endswith("hold everything please.")


async def test_two_speakers_at_once_are_both_answered(
    autojump_clock: MockClock,
) -> None:
    config = attrs.evolve(CONFIG, barge_in=BargeInConfig(allow="nobody"))
    async with running(Scene(config)) as scene:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.say, "hello there", ANA)
            nursery.start_soon(scene.say, "good evening friend", BEN)
        await trio.sleep(8)
    assert [h[0] for h in scene.heard] == ["Ana", "Ben"]
    assert "hello there." in scene.spoken
    assert "good evening friend." in scene.spoken


async def test_a_failed_model_is_spoken_about(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.model.fail = ProviderError("no")
    async with running(scene):
        await scene.say("hello")
        await trio.sleep(5)
        scene.model.fail = None
        await scene.say("again please")
        await trio.sleep(5)
    assert scene.spoken.startswith("Sorry, something went wrong.")
    assert scene.spoken.endswith("again please.")


async def test_a_phrase_that_cannot_be_spoken_is_skipped(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.model.replies["tell me"] = (
        "This is the first sentence here. The bad one is this one, sadly. "
        "And this is the third sentence of it."
    )
    scene.synthesizer.fail_on = "bad"
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(9)
    assert "sadly" not in scene.spoken
    assert scene.spoken.endswith("the third sentence of it.")
    assert "bad" not in scene.heard[0][2]


async def test_a_failed_recognizer_is_spoken_about(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.recognizer.fail = ProviderError("gone")
    async with running(scene):
        await scene.say("hello there")
        await trio.sleep(5)
        scene.recognizer.fail = None
        await scene.say("hello again")
        await trio.sleep(5)
    assert scene.spoken.startswith("Sorry")
    assert scene.spoken.endswith("hello again.")


async def test_a_slow_synthesizer_underruns_and_goes_on(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.synthesizer.piece_s = 0.35  # 0.2 s of audio each 0.35 s
    async with running(scene):
        await scene.say("hello out there my friend")
        await trio.sleep(9)
    assert scene.spoken.replace(" ", "") == "yousaidhellooutttheremyfriend.".replace(
        "ttt", "tt"
    )
    assert "underrun" in scene.names(1)


async def test_a_lost_link_interrupts_and_nothing_more_is_claimed(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.model.replies["tell me"] = "one two three four five six seven eight nine."
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(1.0)
        scene.room.put(LinkLost("gone"))
        scene.room.put(SpeakerLeft(ANA))
        await trio.sleep(3)
    assert "nine." not in scene.spoken
    assert "nine." not in scene.heard[0][2]


async def test_noise_without_words_is_ignored(autojump_clock: MockClock) -> None:
    noise = np.full(8000, 999, np.int16)
    async with running(Scene()) as scene:
        await scene.room.say(ANA, noise)
        await trio.sleep(3)
    assert not scene.room.frames
    assert not scene.heard
    assert scene.find("outcome").data["kind"] == "ignored"


async def test_the_agent_ends_with_its_room(autojump_clock: MockClock) -> None:
    scene = Scene()
    scene.room.close()
    await scene.agent.run()


async def test_a_bug_in_a_part_ends_the_turn_and_not_the_agent(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    scene = Scene()
    scene.model.fail = ValueError("a bug")  # type: ignore[assignment]
    async with running(scene):
        await scene.say("hello")
        await trio.sleep(5)
        scene.model.fail = None
        await scene.say("again please")
        await trio.sleep(5)
    # What nobody answered stands before it in the prompt.
    assert scene.spoken == "you said hello again please."
    assert "ValueError: a bug" in caplog.text


async def test_a_recognizer_that_fails_in_mid_sentence_is_excused_once_at_its_end(
    autojump_clock: MockClock,
) -> None:
    """The rest of the sentence is no new turn, and is not talked over."""
    scene = Scene()
    async with running(scene):
        with_an_end = scene.words("tell me a very long story about the green door")
        async with trio.open_nursery() as nursery:
            # No terminator: the end is a silence, and has a pause before it.
            say = partial(scene.room.say, ANA, with_an_end, terminator=False)
            nursery.start_soon(say)
            await trio.sleep(1.0)
            scene.recognizer.fail = ProviderError("gone")
            await trio.sleep(1.0)
            scene.recognizer.fail = None
        await trio.sleep(8)
    assert scene.spoken == CONFIG.agent.failure_notice
    assert {number for number, _ in scene.events} == {1}
    assert scene.names(1).count("provider_failed") == 1
    # What was understood of it until then is not asked about.
    assert "pause" not in scene.names(1)
    assert scene.find("first_frame").t > len(with_an_end) / HEARING_RATE_HZ - 0.1
    assert scene.idle()
