"""Recordings of an agent among fake parts, that can be looked at and listened to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import trio

from tests import helpers_recorded_scene
from tests.fakes import ANA
from trioagent.interfaces import HEARING_RATE_HZ, Pcm
from trioagent.recording import format as f
from trioagent.recording.folder import RecordingFolder
from trioagent.recording.reader import load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.helpers_recorded_scene import Script
    from tests.scene import Scene
    from trioagent.interfaces import Speaker

HOSTILE = "</script><b>&amp;$title “Ana”</b>"
REPLY = "apples grow on tall trees beside the quiet river bank."
# Costs nothing on a virtual clock.
LONG_ENOUGH_S = 60


def record(
    parent: Path, script: Script, *, who: Speaker = ANA, cut: float = 1.0
) -> Path:
    """The one recording of a scene, up to the share `cut` of its entries."""
    [path] = helpers_recorded_scene.record(parent / "plain", script, people=(who,))
    made = load(path)
    entries = made.entries[: round(cut * len(made.entries))]
    audio = {f.heard_by(s): [audible(pcm)] for s, pcm in made.heard.items()}
    audio[f.SYNTHESIZED] = [audible(made.synthesized)]
    audio[f.SPOKEN] = [audible(made.spoken)]
    folder = RecordingFolder.create(parent, "take", made.header)
    folder.append(entries, audio)
    if cut == 1.0:
        folder.finish()
    else:
        folder.abandon()
    return folder.path


def audible(pcm: Pcm) -> Pcm:
    """A tone for each word: the fakes' speech is silent, and tells by its values."""
    time = np.arange(len(pcm))
    wave = np.sin(2 * np.pi * (0.01 + 0.002 * (pcm % 9)) * time)
    swell = 0.6 + 0.4 * np.sin(time / 1000)
    return np.where(pcm == 0, 0, 9000 * wave * swell).astype(np.int16)


async def barge_in(scene: Scene) -> None:
    """Somebody interrupts a reply: two turns that overlap."""
    scene.model.replies["tell me more"] = REPLY
    await scene.say("tell me more")
    while not scene.room.frames:  # noqa: ASYNC110 - the fake room sets no event
        await trio.sleep(0.001)
    await trio.sleep(0.7)
    await scene.say("stop now")
    await trio.sleep(LONG_ENOUGH_S)


async def unanswered(scene: Scene) -> None:
    """A noise without a word in it."""
    await scene.room.say(ANA, np.full(HEARING_RATE_HZ // 3, 9999, np.int16))
    await trio.sleep(LONG_ENOUGH_S)


def by(speaker: Speaker, text: str) -> Script:
    """This speaker says this, and gets an answer."""

    async def play(scene: Scene) -> None:
        await scene.say(text, speaker)
        await trio.sleep(LONG_ENOUGH_S)

    return play
