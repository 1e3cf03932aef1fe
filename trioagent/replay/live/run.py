"""A recording's speech, said again in real time to the providers of today.

The recording is moved to the present: everything in it, and what the agent remembered
then, is later by the same time. What is not asked of today's providers is answered as
it was then, or guessed from that, in the time that it took.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import cattrs
import trio

from trioagent.agent import Agent, Parts
from trioagent.app import open_language_model, open_recognizer, open_synthesizer
from trioagent.interfaces import (
    HEARING_RATE_HZ,
    LanguageModel,
    Pcm,
    Recognizer,
    RecognizerStream,
    Synthesizer,
)
from trioagent.recording import format as f
from trioagent.replay.again import Again, ears, memory
from trioagent.replay.room import ReplayedDetector, ReplayedRoom
from trioagent.replay.what_if.parts import (
    GuessingLanguageModel,
    GuessingRecognizer,
    GuessingSynthesizer,
    Known,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from trioagent.config import Config
    from trioagent.recording.recording import Recording

KINDS = ("asr", "llm", "tts")
"""What can be asked of today's providers."""

# For moving the recording, and for the agent to get ready, before the first entry.
LEAD_S = 0.5
# A reply that still goes on so long after the recording's end is not waited for.
LONGEST_REPLY_S = 120.0


@attrs.define(eq=False)
class TimedRecognizer:
    """A recognizer; how long it takes is added up.

    Attributes:
        audio_s: What it was given.
        busy_s: How long its callers waited for it.
    """

    recognizer: Recognizer
    audio_s: float = 0.0
    busy_s: float = 0.0

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[RecognizerStream]:
        """One utterance's."""
        async with self.recognizer.stream() as stream:
            yield _TimedStream(stream, self)


@attrs.frozen(eq=False)
class _TimedStream:
    stream: RecognizerStream
    owner: TimedRecognizer

    async def feed(self, pcm: Pcm) -> str:
        began = trio.current_time()
        text = await self.stream.feed(pcm)
        self._took(began)
        self.owner.audio_s += len(pcm) / HEARING_RATE_HZ
        return text

    async def finish(self) -> str:
        began = trio.current_time()
        text = await self.stream.finish()
        self._took(began)
        return text

    def _took(self, began: float) -> None:
        self.owner.busy_s += trio.current_time() - began


@attrs.frozen(eq=False)
class Live:
    """Today's providers; None for what is taken from recordings."""

    recognizer: Recognizer | None = None
    language_model: LanguageModel | None = None
    synthesizer: Synthesizer | None = None


@asynccontextmanager
async def open_live(config: Config, kinds: Collection[str]) -> AsyncIterator[Live]:
    """Open the providers of these kinds that `config` names.

    Raises:
        TrioagentError: one cannot be used now; maybe in a group.
    """
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        recognizer = await enter(open_recognizer(config)) if "asr" in kinds else None
        synthesizer = await enter(open_synthesizer(config)) if "tts" in kinds else None
        model = None
        if "llm" in kinds:
            model = await enter(open_language_model(config))
            # In a room, one that is down may come up; here, nobody waits for it.
            await model.check()
        yield Live(recognizer, model, synthesizer)


async def run_live(recording: Recording, config: Config, live: Live) -> Again:
    """Say it all again to an agent with `config` and these providers, in real time.

    Takes as long as the recording, and longer if the last reply is.
    """
    first = min([0.0, *(entry.t for entry in recording.entries[:1])])
    moved = later(recording, trio.current_time() + LEAD_S - first)
    room = ReplayedRoom(moved)
    room.until = max((entry.t for entry in moved.entries), default=0) + LONGEST_REPLY_S
    known = Known.of(moved)
    parts = Parts(
        room,
        ReplayedDetector(room),
        live.recognizer or GuessingRecognizer(known.timelines),
        live.language_model or GuessingLanguageModel(moved, known.replies),
        live.synthesizer or GuessingSynthesizer(known.phrases),
    )
    made = Again()
    observers = [made.observe, room.observe]
    await Agent(parts, config, observers, memory(moved), ears(moved)).run()
    made.frames = room.frames
    return made


def later(recording: Recording, seconds: float) -> Recording:
    """The same, on a clock that is `seconds` ahead."""
    header = recording.header
    return attrs.evolve(
        recording,
        header=attrs.evolve(
            header,
            memory=cattrs.unstructure(memory(recording).later(seconds)),
            ears=tuple(_later_ear(ear, seconds) for ear in header.ears),
        ),
        entries=tuple(f.moved(entry, seconds) for entry in recording.entries),
    )


def _later_ear(ear: f.Ear, seconds: float) -> f.Ear:
    heard = ear.last_packet
    return attrs.evolve(
        ear,
        last_packet=None if heard is None else heard + seconds,
        pre_roll=tuple(attrs.evolve(kept, t=kept.t + seconds) for kept in ear.pre_roll),
    )
