"""Conversations with every kind of turn, to be recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from tests.fakes import ANA, BEN
from tests.scene import CONFIG, Scene
from tests.troubled_parts import TroubledRecognizer, TroubledSynthesizer
from trioagent.errors import ProviderError
from trioagent.interfaces import (
    HEARING_RATE_HZ,
    LinkLost,
    LinkRestored,
    Pcm,
    SpeakerLeft,
    VoicePacket,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from trioagent import Config

REPLY = "apples grow on tall trees beside the quiet river bank. so do pears."


async def in_the_reply(scene: Scene, after_s: float = 0.5) -> None:
    """Ask for the long reply, and return when it has been heard for `after_s`."""
    scene.room.join(ANA, BEN)
    scene.model.replies["tell me"] = REPLY
    await scene.say("tell me")
    while not scene.room.frames:  # noqa: ASYNC110 - the fake room sets no event
        await trio.sleep(0.001)
    await trio.sleep_until(scene.room.frames[0].time + after_s)


def noise(seconds: float) -> Pcm:
    return np.full(int(seconds * HEARING_RATE_HZ), 9999, np.int16)


async def answered(scene: Scene) -> None:
    scene.room.join(ANA)
    await scene.say("what time is it")
    await trio.sleep(4)


async def noise_then_question(scene: Scene) -> None:
    """A sound too short for a turn, and later a question that is long in coming."""
    scene.room.join(ANA)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.say, "what time is it", BEN)
        await trio.sleep(0.4)
        await scene.room.say(ANA, noise(0.04))
    await trio.sleep(4)


async def two_turns(scene: Scene) -> None:
    await answered(scene)
    await scene.say("and tomorrow")
    await trio.sleep(4)


async def interrupted_by_another(scene: Scene) -> None:
    await in_the_reply(scene)
    await scene.say("good evening my friend", BEN)
    await trio.sleep(5)


async def interrupted_by_the_same(scene: Scene) -> None:
    await in_the_reply(scene)
    await scene.say("stop")
    await trio.sleep(4)


async def backchannel(scene: Scene) -> None:
    await in_the_reply(scene)
    await scene.say("uh huh")
    await trio.sleep(5)


async def cough(scene: Scene) -> None:
    await in_the_reply(scene, 0.517)
    await scene.room.say(ANA, noise(0.15))
    await trio.sleep(5)


async def echo(scene: Scene) -> None:
    await in_the_reply(scene, 1.0)
    await scene.say("grow on tall trees beside", BEN)
    await trio.sleep(5)


async def resumed_in_a_pause(scene: Scene) -> None:
    scene.room.join(ANA)
    await scene.say("what time", terminator=False)
    await trio.sleep(0.17)
    await scene.say("is it now")
    await trio.sleep(4)


async def resumed_before_the_reply(scene: Scene) -> None:
    scene.room.join(ANA)
    scene.model.first_token_s = 0.5
    await scene.say("what time")
    await trio.sleep(0.4)
    await scene.say("is it now")
    await trio.sleep(4)


async def two_at_once(scene: Scene) -> None:
    scene.room.join(ANA, BEN)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(scene.say, "what time is it")
        await trio.sleep(0.013)
        nursery.start_soon(scene.say, "what day is it today", BEN)
    await trio.sleep(7)


async def drafts_on_drafts(scene: Scene) -> None:
    scene.room.join(ANA)
    for words in ("one two", "three four", "five six", "seven eight", "nine"):
        await scene.say(words, terminator=False)
        await trio.sleep(0.25)
    await trio.sleep(4)


async def open_microphone(scene: Scene) -> None:
    """Packets without a break, also of silence, and of lengths that fit no frame."""
    scene.room.join(ANA)
    pcm = np.concatenate(
        [
            scene.words("hello there"),
            np.zeros(2 * HEARING_RATE_HZ + 77, np.int16),
            scene.words("and hello again"),
            np.zeros(2 * HEARING_RATE_HZ, np.int16),
        ]
    )
    size = 451
    start = trio.current_time()
    for index in range(0, len(pcm), size):
        await trio.sleep_until(start + (index + size) / HEARING_RATE_HZ)
        packet = pcm[index : index + size]
        scene.room.put(VoicePacket(ANA, packet, False, trio.current_time()))
    await trio.sleep(4)


async def link_lost(scene: Scene) -> None:
    await in_the_reply(scene, 0.507)
    scene.room.put(LinkLost("gone"))
    await trio.sleep(2)
    scene.room.put(LinkRestored())
    scene.room.join(ANA)
    await scene.say("are you there")
    await trio.sleep(4)


async def speaker_left(scene: Scene) -> None:
    await in_the_reply(scene, 0.507)
    scene.room.put(SpeakerLeft(ANA))
    await trio.sleep(2)


async def left_while_talking(scene: Scene) -> None:
    scene.room.join(ANA, BEN)
    await scene.say("what time is", terminator=False)
    await trio.sleep(0.007)
    scene.room.put(SpeakerLeft(ANA))
    await trio.sleep(2)


async def reply_fails_at_once(scene: Scene) -> None:
    scene.model.fail = ProviderError("no model")
    await answered(scene)


async def reply_breaks_off(scene: Scene) -> None:
    scene.model.fail, scene.model.fail_after = ProviderError("broke off"), 3
    await answered(scene)


async def phrase_fails(scene: Scene) -> None:
    scene.synthesizer.fail_on = "you said"
    await answered(scene)


def recognizer_fails(at: str, error: Exception) -> Callable[[Scene], Awaitable[None]]:
    """Ana is not understood; then she is."""

    async def story(scene: Scene) -> None:
        tapped = scene.agent.parts.recognizer
        troubled = TroubledRecognizer(scene.vocabulary, at=at, error=error)
        object.__setattr__(tapped, "recognizer", troubled)
        await two_turns(scene)

    return story


def synthesizer_breaks_off(error: Exception) -> Callable[[Scene], Awaitable[None]]:
    """One word can be said."""

    async def story(scene: Scene) -> None:
        tapped = scene.agent.parts.synthesizer
        troubled = TroubledSynthesizer(scene.vocabulary, error=error)
        object.__setattr__(tapped, "synthesizer", troubled)
        await answered(scene)

    return story


async def model_crashes(scene: Scene) -> None:
    scene.model.fail = RuntimeError("a bug")
    scene.model.fail_after = 2
    await answered(scene)


STORIES = {
    story.__name__: story
    for story in (
        answered,
        noise_then_question,
        two_turns,
        interrupted_by_another,
        interrupted_by_the_same,
        backchannel,
        cough,
        echo,
        resumed_in_a_pause,
        resumed_before_the_reply,
        two_at_once,
        drafts_on_drafts,
        open_microphone,
        link_lost,
        speaker_left,
        left_while_talking,
        reply_fails_at_once,
        reply_breaks_off,
        phrase_fails,
        model_crashes,
    )
} | {
    f"recognizer {type(error).__name__} at {at}": recognizer_fails(at, error)
    for at in ("open", "feed", "finish")
    for error in (ProviderError("deaf"), RuntimeError("a bug"))
}
STORIES |= {
    f"synthesizer {type(error).__name__}": synthesizer_breaks_off(error)
    for error in (ProviderError("dumb"), RuntimeError("a bug"))
}
_EAGER = attrs.evolve(
    CONFIG, turn=attrs.evolve(CONFIG.turn, max_drafts=2, prefix_min_chars=8)
)
CONFIGS: dict[str, Config] = {"drafts_on_drafts": _EAGER}

OUTCOMES = {
    "answered": [["answered"]],
    "noise_then_question": [["answered"]],
    "two_turns": [["answered"], ["answered"]],
    "interrupted_by_another": [["interrupted: barge-in", "answered"]],
    "interrupted_by_the_same": [["interrupted: barge-in", "answered"]],
    "backchannel": [["answered", "ignored: backchannel"]],
    "cough": [["answered", "ignored: no words"]],
    "echo": [["answered", "ignored: echo"]],
    "resumed_in_a_pause": [["answered"]],
    "resumed_before_the_reply": [["answered"]],
    "two_at_once": [["answered", "answered"]],
    "drafts_on_drafts": [["answered"]],
    "open_microphone": [["answered"], ["answered"]],
    "link_lost": [["interrupted: link lost"], ["answered"]],
    "speaker_left": [["interrupted: speaker left"]],
    "left_while_talking": [["interrupted: speaker left"]],
    "reply_fails_at_once": [["failed"]],
    "reply_breaks_off": [["failed"]],
    "phrase_fails": [["failed"]],
    "model_crashes": [["failed"]],
    "recognizer ProviderError at open": [["failed"], ["answered"]],
    "recognizer RuntimeError at open": [["failed"], ["answered"], ["answered"]],
    "recognizer ProviderError at feed": [["failed"], ["answered"]],
    "recognizer RuntimeError at feed": [["failed"], ["answered"], ["answered"]],
    "recognizer ProviderError at finish": [["failed"], ["answered"]],
    "recognizer RuntimeError at finish": [["failed"], ["answered"]],
    "synthesizer ProviderError": [["failed"]],
    "synthesizer RuntimeError": [["failed"]],
}
"""How the turns end, recording by recording."""
