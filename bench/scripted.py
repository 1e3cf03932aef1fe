"""The scripted work of `bench.work` as an agent's parts, in this process.

The room's sink is a list; no part computes anything worth mentioning, so what is
measured is the agent.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from bench import work
from trioagent import Agent, Config, Parts
from trioagent.config import BargeInConfig, JournalConfig, PlaybackConfig, TurnConfig
from trioagent.interfaces import (
    Message,
    Outlet,
    Pcm,
    RoomEvent,
    Speaker,
    SpeakerJoined,
    Speech,
    VoiceActivityDetector,
    VoicePacket,
)
from trioagent.journal.events import Observer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ANA = Speaker(1, "Ana")
SILENCE = np.zeros(work.FRAME, np.int16)
# Half as loud as the noise: Opus is 6.5 ms late, which is not half a frame.
LOUD = 2500
STEP = work.FRAME // 2
# What Opus leaves of silence is less, and of a third of a step of noise more.
AUDIBLE = 500
# From the end of speech until a reply has ended, and more.
_RECENT = round(6 / work.FRAME_S)
_HOLD_MS = work.HOLD_S * 1000
_TURN = TurnConfig(hold_ms=_HOLD_MS, min_hold_ms=_HOLD_MS, max_hold_ms=_HOLD_MS)
EARLY_STARTS = {
    "off": attrs.evolve(_TURN, early_start="off"),
    "pause": attrs.evolve(_TURN, early_start="pause", pause_ms=20),
    "prefix": attrs.evolve(
        _TURN,
        early_start="prefix",
        pause_ms=20,
        prefix_min_chars=1,
        stable_hypotheses=1,
        max_drafts=100,
    ),
}


def config(early_start: str, **turn: float) -> Config:
    """The agent's settings; `turn` are keys of `[turn]`."""
    return Config(
        turn=attrs.evolve(EARLY_STARTS[early_start], **turn),
        playback=PlaybackConfig(fade_ms=0),
        barge_in=BargeInConfig(confirm_ms=400),
        journal=JournalConfig(latency_file=""),
    )


@attrs.frozen
class Frame:
    """A frame that the agent wrote: when, and whether it was the talk spurt's last."""

    time: float
    last: bool


@attrs.frozen
class Tick:
    """A frame that the user handed over: when, and how much too late."""

    time: float
    late_s: float


@attrs.define(eq=False)
class Sink:
    """A room whose frames go into a list; `put` is what happens in it."""

    name: str = "trioagent"
    address: str = "memory"
    frames: list[Frame] = attrs.Factory(list)
    begun: trio.Event = attrs.Factory(trio.Event)
    """A talk spurt has begun; another event after each spurt."""
    ended: trio.Event = attrs.Factory(trio.Event)
    """A talk spurt has ended; another event from each spurt's beginning on."""
    events: trio.MemoryReceiveChannel[RoomEvent] = attrs.field(init=False)
    _put: trio.MemorySendChannel[RoomEvent] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._put, self.events = trio.open_memory_channel[RoomEvent](1000)

    def put(self, event: RoomEvent) -> None:
        """Something happens in the room."""
        self._put.send_nowait(event)

    def frame_rate_hz(self, source_rate_hz: int) -> int:
        """Any."""
        return source_rate_hz

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:  # noqa: ARG002 - only when counts
        """Note when."""
        if not self.begun.is_set():
            self.begun.set()
            self.ended = trio.Event()
        self.frames.append(Frame(trio.current_time(), last))
        if last:
            self.end_talk()

    def end_talk(self) -> None:
        """The talk spurt is over."""
        if self.begun.is_set():
            self.begun = trio.Event()
            self.ended.set()

    async def spurt(self) -> list[Frame]:
        """The frames of the next talk spurt, when it is over."""
        before = len(self.frames)
        await self.begun.wait()
        await self.ended.wait()
        return self.frames[before:]

    async def send_text(self, text: str, to: Speaker | None = None) -> None:  # noqa: ARG002 - nobody reads
        """Nobody reads it."""
        await trio.lowlevel.checkpoint()


class Loudness:
    """A detector that takes next to no time: speech is what is not zero."""

    frame_samples = work.FRAME

    def stream(self) -> Loudness:
        """It remembers nothing, so it is its own stream."""
        return self

    def probability(self, frame: Pcm) -> float:
        """1 or 0."""
        return float(frame[0] != 0)

    def reset(self) -> None:
        """There is nothing to forget."""


def exact_s(pcm: Pcm) -> float:
    """How much of it is not silent, if it came as it was handed over."""
    return np.count_nonzero(pcm[:: work.FRAME]) * work.FRAME_S


def loud_s(pcm: Pcm) -> float:
    """How much of it is loud, in steps of 10 ms; Opus makes no clean borders."""
    steps = pcm[: len(pcm) - len(pcm) % STEP].reshape(-1, STEP)
    loud = np.abs(steps[:, ::8]).mean(1) > AUDIBLE
    return np.count_nonzero(loud) * STEP / work.RATE_HZ


@attrs.define(eq=False)
class Recognizer:
    """Knows the utterances in their order, and counts the speech it is fed."""

    speech_s: Callable[[Pcm], float] = exact_s
    spoken: deque[work.Spoken] = attrs.Factory(deque)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[_Stream]:
        """One utterance."""
        yield _Stream(self.spoken.popleft(), self.speech_s)


@attrs.define(eq=False)
class _Stream:
    spoken: work.Spoken
    speech_s: Callable[[Pcm], float]
    heard_s: float = 0.0
    last_speech: float = 0.0

    async def feed(self, pcm: Pcm) -> str:
        speech_s = self.speech_s(pcm)
        # Opus gives a little more than there was, at the end.
        if speech_s and not self.complete:
            self.heard_s += speech_s
            self.last_speech = trio.current_time()
        if self.complete:
            await trio.sleep_until(self.last_speech + work.ASR_TAIL_S)
            return self.spoken.text
        await trio.lowlevel.checkpoint()
        return self.spoken.hypothesis(self.heard_s)

    async def finish(self) -> str:
        await trio.sleep_until(self.last_speech + work.ASR_TAIL_S)
        return self.spoken.text

    @property
    def complete(self) -> bool:
        """Whether all of the speech has come."""
        return self.heard_s >= self.spoken.length_s - 1e-6


class LanguageModel:
    """40 tokens on schedule, whatever is asked."""

    name = "scripted"

    async def check(self) -> None:
        """It is there."""
        await trio.lowlevel.checkpoint()

    async def reply(self, messages: Sequence[Message], tokens: Outlet[str]) -> None:  # noqa: ARG002 - it says the same to all
        """Send them."""
        due = trio.current_time() + work.LLM_FIRST_S
        for index, token in enumerate(work.tokens()):
            await trio.sleep_until(due + index * work.LLM_GAP_S)
            await tokens.send(token)


class Synthesizer:
    """Noise, on schedule."""

    rate_hz = work.TTS_RATE_HZ

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """Send the phrase's chunks."""
        due = trio.current_time() + work.TTS_FIRST_S
        chunks = len(phrase.split()) * work.TOKEN_AUDIO_S / work.CHUNK_S
        chunk = np.ones(round(work.CHUNK_S * self.rate_hz), np.int16)
        for index in range(round(chunks)):
            await trio.sleep_until(due + index * work.CHUNK_S / work.TTS_SPEED)
            await audio.send(Speech(chunk))


@attrs.define(eq=False)
class Conversation:
    """A user and an agent; the user is `work.utterances`, one after another."""

    settings: Config
    seed: int = 0
    known_early_s: float | None = None
    vad: VoiceActivityDetector = attrs.Factory(Loudness)
    observers: Sequence[Observer] = ()
    sink: Sink = attrs.Factory(Sink)
    recognizer: Recognizer = attrs.Factory(Recognizer)
    spoke_until: list[float] = attrs.Factory(list)
    """When the last speech sample of each utterance was handed over."""
    began: list[float] = attrs.Factory(list)
    """When the first frame of each utterance was handed over."""
    _recent: deque[Tick] = attrs.Factory(lambda: deque(maxlen=_RECENT))
    _frames: int = 0
    _earliest: float = math.inf
    _utterances: Iterator[work.Spoken] = attrs.field(init=False)
    _speech: deque[Pcm] = attrs.Factory(deque)
    _finished: trio.Event = attrs.Factory(trio.Event)

    def __attrs_post_init__(self) -> None:
        self._utterances = work.utterances(self.seed, known_early_s=self.known_early_s)

    def parts(self) -> Parts:
        """What the agent is made of."""
        return Parts(
            self.sink, self.vad, self.recognizer, LanguageModel(), Synthesizer()
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The agent is in the room, and so is the user, silent."""
        async with trio.open_nursery() as nursery:
            agent = Agent(self.parts(), self.settings, self.observers)
            nursery.start_soon(agent.run, name="agent")
            self.sink.put(SpeakerJoined(ANA))
            nursery.start_soon(work.in_real_time, self._frame, self._take, name="user")
            yield
            nursery.cancel_scope.cancel("measured")

    async def say(self) -> int:
        """Speak the next utterance to its end; return its number."""
        spoken = next(self._utterances)
        self.recognizer.spoken.append(spoken)
        sound = work.audio(spoken)
        self._finished = trio.Event()
        self._speech.extend(np.split(sound, len(sound) // work.FRAME))
        await self._finished.wait()
        return len(self.spoke_until) - 1

    def late_s(self, since: float, until: float) -> float:
        """The most that a frame of the user's was late, in some of the last seconds.

        For so long the whole process stood still, or served others.
        """
        # What made a frame late made the next one of the user's late, too.
        end = until + work.FRAME_S
        late = [tick.late_s for tick in self._recent if since < tick.time <= end]
        return max(late, default=0.0)

    def hand_over(self, pcm: Pcm, now: float) -> None:
        """A frame of the user's comes to the agent."""
        self.sink.put(VoicePacket(ANA, pcm, ends_talk=False, time=now))

    def _frame(self) -> Pcm:
        return (
            self._speech.popleft() if self._speech else np.zeros(work.FRAME, np.int16)
        )

    def _take(self, pcm: Pcm, now: float) -> None:
        self.hand_over(pcm, now)
        self._note(now)
        if pcm[0]:
            if len(self.began) == len(self.spoke_until):
                self.began.append(now)
            if not self._speech:
                self.spoke_until.append(now)
                self._finished.set()

    def _note(self, now: float) -> None:
        """Note how late the frame is, by the one that was the least late so far."""
        began = now - self._frames * work.FRAME_S
        self._frames += 1
        self._earliest = min(self._earliest, began)
        self._recent.append(Tick(now, began - self._earliest))
