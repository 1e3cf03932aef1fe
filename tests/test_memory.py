"""An agent, or an ear, that goes on from another's memory goes on as that one would."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any

import attrs
import cattrs
import numpy as np
import pytest
import trio

from tests.fakes import ANA, BEN
from tests.helpers_replay import differences, record, recordings
from tests.replay_stories import REPLY, in_the_reply
from tests.scene import CONFIG, Scene, running
from trioagent import Agent
from trioagent.config import VadConfig
from trioagent.decisions.echo import SaidWord
from trioagent.decisions.history import Exchange
from trioagent.ear import Ear, EarState
from trioagent.interfaces import Pcm, Speaker, VoicePacket
from trioagent.memory import Memory

if TYPE_CHECKING:
    from pathlib import Path

    from trio.testing import MockClock

    from trioagent.recording.recording import Recording

FULL = Memory(
    turns=7,
    exchanges=(Exchange("Ana", "hello", "hi there"), Exchange("Ben", "so", "")),
    synthesizer_speed=0.75,
    said=(SaidWord("hi", 1.5), SaidWord("there", 1.75)),
    echoing=(2, 3),
    answered=((1, 2.0), (4, 0.5)),
    agent_replies=2,
)
BOT = Speaker(6, "Bot", agent=True)


def test_an_agent_remembers_what_it_was_given() -> None:
    scene = Scene()
    assert Agent(scene.agent.parts, CONFIG, (), FULL).memory == FULL
    assert Agent(scene.agent.parts, CONFIG).memory == Memory()


def test_a_memory_goes_through_json() -> None:
    text = json.dumps(cattrs.unstructure(FULL))
    assert cattrs.structure(json.loads(text), Memory) == FULL


def test_on_another_clock_only_times_move() -> None:
    moved = FULL.later(10.0)
    assert moved.said == (SaidWord("hi", 11.5), SaidWord("there", 11.75))
    assert moved.answered == ((1, 12.0), (4, 10.5))
    assert attrs.evolve(moved, said=FULL.said, answered=FULL.answered) == FULL
    assert moved.later(-10.0) == FULL


async def test_what_happened_is_remembered(autojump_clock: MockClock) -> None:
    scene = Scene()
    async with running(scene):
        await in_the_reply(scene, 1.0)
        await scene.say("grow on tall trees beside", BEN)
        await trio.sleep(5)
        memory = scene.agent.memory
    assert memory.turns == 2
    assert memory.exchanges == (Exchange("Ana", "tell me", REPLY),)
    assert [word.word for word in memory.said] == REPLY.replace(".", "").split()
    assert memory.echoing == (BEN.id,)
    ((who, at),) = memory.answered
    assert who == ANA.id
    assert at == pytest.approx(scene.room.frames[-1].time, abs=0.05)
    assert memory.agent_replies == 0


# --- each part of it decides something in the next recording ---------------------


async def echo_after_the_end(scene: Scene) -> None:
    await in_the_reply(scene, 2.7)
    await scene.say("quiet river bank so do pears", BEN)
    await trio.sleep(4)


async def echo_again(scene: Scene) -> None:
    """Ben's loudspeakers feed a reply back, and in the next one are heard again."""
    await in_the_reply(scene, 1.0)
    await scene.say("grow on tall trees beside", BEN)
    await trio.sleep(5)
    await in_the_reply_again(scene)
    # The recognizer is slow: for half a second it is a voice without words.
    scene.recognizer.lag_s = 3.0
    await scene.say("grow on tall trees beside", BEN)
    await trio.sleep(6)


async def in_the_reply_again(scene: Scene) -> None:
    before = len(scene.room.frames)
    await scene.say("tell me")
    while len(scene.room.frames) < before + 50:  # noqa: ASYNC110 - sets no event
        await trio.sleep(0.001)


async def a_question_to_follow(scene: Scene) -> None:
    scene.room.join(ANA)
    await scene.say("trioagent what time is it")
    await trio.sleep(4)
    await scene.say("and tomorrow")
    await trio.sleep(4)


async def two_of_an_agent(scene: Scene) -> None:
    scene.room.join(BOT)
    for words in ("what time is it", "and tomorrow"):
        await scene.say(words, BOT)
        await trio.sleep(4)


async def a_slow_voice(scene: Scene) -> None:
    scene.room.join(ANA)
    scene.synthesizer.piece_s = 0.6
    scene.model.replies["tell me"] = "extraordinarily incomprehensible words. " * 10
    for words in ("tell me", "and tomorrow"):
        await scene.say(words)
        await trio.sleep(40)


ADDRESSED = attrs.evolve(CONFIG, agent=attrs.evolve(CONFIG.agent, respond="addressed"))
ONE_REPLY = attrs.evolve(CONFIG, agent=attrs.evolve(CONFIG.agent, max_agent_replies=1))


@pytest.mark.parametrize(
    ("story", "config", "field"),
    [
        (echo_after_the_end, CONFIG, "said"),
        (echo_again, CONFIG, "echoing"),
        (a_question_to_follow, ADDRESSED, "answered"),
        (two_of_an_agent, ONE_REPLY, "agent_replies"),
        (a_slow_voice, CONFIG, "synthesizer_speed"),
        (a_slow_voice, CONFIG, "turns"),
    ],
)
def test_the_next_recording_needs_it(
    story: Any, config: Any, field: str, tmp_path: Path
) -> None:
    record(tmp_path, story, config)
    recording = recordings(tmp_path)[1]
    for seed in range(3):
        assert not differences(recording, seed)
    assert differences(forgetting(recording, field)), f"{field} decided nothing"


def forgetting(recording: Recording, field: str) -> Recording:
    known = recording.header.memory
    memory = {key: value for key, value in known.items() if key != field}
    assert memory.keys() != known.keys()
    return attrs.evolve(recording, header=attrs.evolve(recording.header, memory=memory))


# --- an ear ----------------------------------------------------------------------


class LoudnessVad:
    """How likely it is speech: what the last sample says, in hundredths.

    A remembered ear has forgotten the samples that wait for a frame to be full.
    """

    frame_samples = 320

    def probability(self, frame: Pcm) -> float:
        return float(frame[-1]) / 100

    def reset(self) -> None:
        pass


@attrs.define(eq=False)
class Listener:
    """Opens utterances of an ear, and notes what comes."""

    heard: list[tuple[str, float, int, bool]] = attrs.Factory(list)
    open: list[trio.MemoryReceiveChannel[Any]] = attrs.Factory(list)

    def begin(self, _speaker: Speaker, utterance: Any) -> None:
        self.heard.append(("onset", 0.0, 0, False))
        self.open.append(utterance)

    def drain(self) -> None:
        while self.open:
            try:
                audio = self.open[-1].receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                return
            self.heard.append(("audio", audio.time, len(audio.pcm), audio.speech))

    def enough(self) -> None:
        while self.open:
            self.open.pop().close()


def packets(chance: random.Random, count: int) -> list[VoicePacket]:
    """Speech and silence, in packets of any length, with breaks."""
    time, made = 0.0, []
    for _ in range(count):
        size = chance.choice([320, 451, 100, 960])
        time += size / 16_000 + chance.choice([0.0] * 12 + [0.15, 0.25, 1.0])
        level = chance.choice([0, 20, 42, 42, 90, 90])
        made.append(VoicePacket(ANA, np.full(size, level, np.int16), False, time))
    return made


@pytest.mark.parametrize("seed", range(60))
def test_an_ear_goes_on_as_the_other_would(seed: int) -> None:
    chance = random.Random(seed)
    coming = packets(chance, 60)
    split = chance.randrange(1, 40)
    first = Listener()
    ear = Ear(ANA, VadConfig(), first.begin, vad=LoudnessVad())
    for packet in coming[:split]:
        ear.hear(packet)
        if chance.random() < 0.2:
            first.drain()
            first.enough()
    # No turn runs when a recording begins: nobody listens.
    first.drain()
    first.enough()
    first.heard.clear()
    second = Listener()
    other = Ear(ANA, VadConfig(), second.begin, remembered=ear.state, vad=LoudnessVad())
    assert other.state == ear.state or same(other.state, ear.state)
    for packet in coming[split:]:
        ear.hear(packet)
        other.hear(packet)
        first.drain()
        second.drain()
    assert first.heard == second.heard
    assert same(ear.state, other.state)


def same(a: EarState, b: EarState) -> bool:
    """States are compared by what they hold, but for who listens to what."""
    names = ("last_packet", "left_over", "speaking", "run_s", "listened")
    rolls = [[(x.time, len(x.pcm), x.speech) for x in s.pre_roll] for s in (a, b)]
    equal = all(getattr(a, name) == getattr(b, name) for name in names)
    return equal and rolls[0] == rolls[1]
