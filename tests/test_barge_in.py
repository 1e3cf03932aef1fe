"""Somebody speaks into a reply, at each 20 ms of it: what may happen, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import ANA, BEN, SPEECH_RATE_HZ
from tests.scene import Scene, running
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speaker

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trio.testing import MockClock

REPLY = "apples grow on tall trees beside the quiet river bank."
REPLY_S = len(REPLY.split()) * 0.2
FRAME_S = 0.02
# The first packet with a voice in it ducks; the next tick is at most 20 ms away.
DUCKED_S = 2 * FRAME_S


@attrs.frozen
class Onset:
    """What somebody says into the reply, and what that should lead to."""

    said: str
    speaker: Speaker = ANA
    words_after_s: float = 0.1
    noise_s: float = 0.0
    interrupts: bool = True
    answered: bool = True


CASES = {
    "cough": Onset("", noise_s=0.15, interrupts=False, answered=False),
    "backchannel": Onset("uh huh", interrupts=False, answered=False),
    "okay": Onset("okay", interrupts=False, answered=False),
    "stop": Onset("stop"),
    "long speech, late words": Onset("and another thing is this", words_after_s=3),
    "a second speaker": Onset("good evening my friend", speaker=BEN),
}


def onsets() -> Iterator[float]:
    """Each 20 ms of the reply, a few milliseconds off its own grid."""
    for index in range(1, int(REPLY_S / FRAME_S) - 6):
        yield index * FRAME_S + index % 7 * 0.003


async def speak_into(case: Onset, at_s: float) -> tuple[Scene, float]:
    """Run the conversation; return it and the time of the first packet."""
    scene = Scene()
    scene.model.replies["tell me"] = REPLY
    pcm: Pcm = np.full(int(case.noise_s * HEARING_RATE_HZ), 9999, np.int16)
    async with running(scene):
        await scene.say("tell me")
        while not scene.room.frames:  # noqa: ASYNC110 - the fake room sets no event
            await trio.sleep(0.001)
        await trio.sleep_until(scene.room.frames[0].time + at_s)
        scene.recognizer.lag_s = case.words_after_s
        began = trio.current_time()
        if case.said:
            await scene.say(case.said, case.speaker)
        else:
            await scene.room.say(case.speaker, pcm)
        await trio.sleep(8)
    return scene, began


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_at_any_moment(case: Onset, autojump_clock: MockClock) -> None:
    for at_s in onsets():
        scene, began = await speak_into(case, at_s)
        heard = scene.heard[0]
        note = f"{case.said!r} at {at_s:.3f} s"
        # Whatever it becomes: the reply is silent first, and within 80 ms.
        first = scene.talk_spurts[0]
        assert began < first[-1].time <= began + DUCKED_S + 0.021, note
        if case.interrupts:
            assert heard[2] != REPLY, note
            assert REPLY.startswith(heard[2]), note
            played = scene.vocabulary.read(np.concatenate([f.pcm for f in first]))
            # The word that was being said when it stopped does not count.
            assert len(played.split()) - len(heard[2].split()) in (0, 1), note
        else:
            assert heard == ("Ana", "tell me", REPLY), note
            assert scene.spoken == REPLY, note
            assert len(scene.room.frames) == round(REPLY_S / FRAME_S), note
        said = [exchange[1] for exchange in scene.heard]
        assert said == ["tell me", case.said][: 1 + case.answered], note
        assert scene.room.frames[-1].last


async def test_no_sample_is_lost_or_comes_twice(autojump_clock: MockClock) -> None:
    for at_s in onsets():
        scene, _ = await speak_into(CASES["cough"], at_s)
        played = np.concatenate([f.pcm for f in scene.room.frames])
        whole = scene.vocabulary.speech(REPLY, 0.2, SPEECH_RATE_HZ)
        # All but the two frames around the silence are as they were made.
        different = np.flatnonzero(played != whole)
        assert len(played) == len(whole)
        assert np.ptp(different) < 2 * FRAME_S * SPEECH_RATE_HZ
        assert len(scene.talk_spurts) == 2


async def test_our_own_echo_neither_interrupts_nor_is_answered(
    autojump_clock: MockClock,
) -> None:
    case = Onset("grow on tall trees beside", interrupts=False, answered=False)
    # From where these words have begun to sound.
    for at_s in (at_s for at_s in onsets() if at_s > 0.4):
        scene, _ = await speak_into(case, at_s)
        assert scene.heard == [("Ana", "tell me", REPLY)]
        assert scene.find("outcome", turn=2).data["kind"] == "ignored"


async def test_a_person_may_talk_about_what_we_said(autojump_clock: MockClock) -> None:
    case = Onset("did you say apples grow on trees")
    scene, _ = await speak_into(case, 1.2)
    assert [said for _, said, _ in scene.heard] == ["tell me", case.said]


async def test_a_reply_that_waits_too_long_is_dropped(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.config = attrs.evolve(
        scene.config,
        turn=attrs.evolve(scene.config.turn, max_wait_s=1.0),
        barge_in=attrs.evolve(scene.config.barge_in, allow="nobody"),
    )
    scene = Scene(scene.config)
    scene.model.replies["tell me"] = REPLY + " " + REPLY
    async with running(scene):
        await scene.say("tell me")
        await trio.sleep(0.3)
        await scene.say("good evening", BEN)
        await trio.sleep(8)
    assert scene.heard == [
        ("Ana", "tell me", REPLY + " " + REPLY),
        ("Ben", "good evening", ""),
    ] or scene.heard[0] == ("Ben", "good evening", "")
    assert "good evening" not in scene.spoken


async def test_a_person_may_say_again_what_we_were_kept_from_saying(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    order = "turn on the light in the kitchen and tell me a story about"
    for name in ("bob", "david"):
        scene.model.replies[f"{order} {name}"] = f"{order} {name}."
    async with running(scene):
        for name in ("bob", "david"):
            await scene.say(f"{order} {name}")
            await trio.sleep(1.0)
            await scene.say("stop")
            await trio.sleep(3.0)
    said = [said for _, said, _ in scene.heard]
    assert said == [f"{order} bob", "stop", f"{order} david", "stop"]


async def test_a_reply_is_held_until_the_last_of_two_is_quiet(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    scene.model.replies["tell me"] = REPLY
    noise = np.full(HEARING_RATE_HZ, 9999, np.int16)
    async with running(scene):
        await scene.say("tell me")
        while not scene.room.frames:  # noqa: ASYNC110 - the fake room sets no event
            await trio.sleep(0.001)
        await trio.sleep(0.5)
        began = trio.current_time()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(scene.room.say, ANA, noise[:1600])
            nursery.start_soon(scene.room.say, BEN, noise[:5600])  # 350 ms
        await trio.sleep(6)
    first, second = scene.talk_spurts
    assert first[-1].time < began + 0.08
    assert second[0].time > began + 0.35
    assert scene.heard == [("Ana", "tell me", REPLY)]


async def test_a_reply_does_not_begin_while_words_are_outstanding(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    async with running(scene):
        await scene.say("hello there")
        await trio.sleep(0.01)
        (turn,) = scene.agent._running
        draft = SimpleNamespace(discarded=False, number=1)
        turn._unheard = 1
        assert not turn.begin(draft)
        turn._unheard = 0
        draft.discarded = True
        assert not turn.begin(draft)
        turn.interrupt("enough")
