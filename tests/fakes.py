"""Deterministic parts for tests on a virtual clock.

Speech is audio whose samples all hold the number of a word, so that what was said,
fed, synthesized and played can be read back from any sample.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from itertools import groupby
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from trioagent.errors import ProviderError
from trioagent.interfaces import (
    FRAME_S,
    HEARING_RATE_HZ,
    Message,
    Pcm,
    RoomEvent,
    Speaker,
    SpeakerJoined,
    Speech,
    VoicePacket,
    WordMark,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

ANA = Speaker(1, "Ana")
BEN = Speaker(2, "Ben")
FRAME = int(HEARING_RATE_HZ * FRAME_S)
SPEECH_RATE_HZ = 24_000
SHORTEST = 200


@attrs.define(eq=False)
class Vocabulary:
    """Numbers for words, given out as they are met."""

    words: list[str] = attrs.Factory(lambda: [""])

    def number(self, word: str) -> int:
        if word not in self.words:
            self.words.append(word)
        return self.words.index(word)

    def speech(self, text: str, word_s: float, rate_hz: int) -> Pcm:
        parts = [
            np.full(round(word_s * rate_hz), self.number(word), np.int16)
            for word in text.split()
        ]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)

    def read(self, pcm: Pcm) -> str:
        """The words in `pcm`; the same word twice in a row counts once.

        What is shorter than `SHORTEST` is no word but a fade.
        """
        starts = np.flatnonzero(np.diff(pcm, prepend=0))
        lengths = np.diff(starts, append=len(pcm))
        known = set(range(1, len(self.words)))
        numbers = [
            int(pcm[start])
            for start, length in zip(starts, lengths, strict=True)
            if length >= SHORTEST and int(pcm[start]) in known
        ]
        return " ".join(self.words[n] for n, _ in groupby(numbers))


@attrs.frozen(eq=False)
class WrittenFrame:
    time: float
    pcm: Pcm
    last: bool


@attrs.define(eq=False)
class FakeRoom:
    """A room in memory: tests put events in and read frames out."""

    name: str = "trioagent"
    address: str = "memory"
    frames: list[WrittenFrame] = attrs.Factory(list)
    talk_open: bool = False
    ends: list[float] = attrs.Factory(list)
    on_write: object = None
    _events_in: trio.MemorySendChannel[RoomEvent] = attrs.field(init=False)
    events: trio.MemoryReceiveChannel[RoomEvent] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._events_in, self.events = trio.open_memory_channel[RoomEvent](math.inf)

    def frame_rate_hz(self, source_rate_hz: int) -> int:
        return source_rate_hz

    def write(self, frame: Pcm, rate_hz: int, *, last: bool = False) -> None:
        assert len(frame) == rate_hz * FRAME_S
        self.frames.append(WrittenFrame(trio.current_time(), frame, last))
        self.talk_open = not last

    def end_talk(self) -> None:
        if self.talk_open:
            self.talk_open = False
            self.ends.append(trio.current_time())

    async def send_text(self, text: str, to: Speaker | None = None) -> None:
        await trio.lowlevel.checkpoint()

    def put(self, event: RoomEvent) -> None:
        self._events_in.send_nowait(event)

    def close(self) -> None:
        self._events_in.close()

    @property
    def spoken(self) -> Pcm:
        frames = [f.pcm for f in self.frames]
        return np.concatenate(frames) if frames else np.zeros(0, np.int16)

    def join(self, *speakers: Speaker) -> None:
        for speaker in speakers:
            self.put(SpeakerJoined(speaker))

    async def say(
        self, speaker: Speaker, pcm: Pcm, *, terminator: bool = True, quiet_s: float = 0
    ) -> None:
        """Packets every 20 ms, from now; each arrives when its audio has ended."""
        pcm = np.concatenate(
            [pcm, np.zeros(round(quiet_s * HEARING_RATE_HZ), np.int16)]
        )
        start = trio.current_time()
        count = math.ceil(len(pcm) / FRAME)
        for index in range(count):
            await trio.sleep_until(start + (index + 1) * FRAME_S)
            frame = pcm[index * FRAME : (index + 1) * FRAME]
            last = terminator and index == count - 1
            self.put(VoicePacket(speaker, frame, last, trio.current_time()))


class FakeVad:
    """Speech is whatever is not zero."""

    frame_samples = FRAME

    def stream(self) -> FakeVad:
        return self

    def probability(self, frame: Pcm) -> float:
        return float(np.any(frame))

    def reset(self) -> None:
        pass


@attrs.define(eq=False)
class FakeRecognizer:
    """Reads the words from the samples, `lag_s` of audio behind; counts streams."""

    vocabulary: Vocabulary
    lag_s: float = 0.1
    cost_s: float = 0.001
    finish_s: float = 0.001
    fail: ProviderError | None = None
    open_streams: int = 0

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[FakeRecognizerStream]:
        self.open_streams += 1
        try:
            yield FakeRecognizerStream(self)
        finally:
            self.open_streams -= 1


@attrs.define(eq=False)
class FakeRecognizerStream:
    owner: FakeRecognizer
    audio: Pcm = attrs.Factory(lambda: np.zeros(0, np.int16))

    async def feed(self, pcm: Pcm) -> str:
        await trio.sleep(self.owner.cost_s)
        if self.owner.fail is not None:
            raise self.owner.fail
        self.audio = np.concatenate([self.audio, pcm])
        lag = int(self.owner.lag_s * HEARING_RATE_HZ)
        return self.owner.vocabulary.read(self.audio[: max(len(self.audio) - lag, 0)])

    async def finish(self) -> str:
        await trio.sleep(self.owner.finish_s)
        return self.owner.vocabulary.read(self.audio)


@attrs.define(eq=False)
class FakeLanguageModel:
    """Replies by a function of the last message; counts open requests."""

    replies: dict[str, str] = attrs.Factory(dict)
    first_token_s: float = 0.1
    token_s: float = 0.01
    fail: ProviderError | None = None
    fail_after: int = 0
    open_requests: int = 0
    prompts: list[tuple[Message, ...]] = attrs.Factory(list)
    name: str = "fake"

    async def check(self) -> None:
        await trio.lowlevel.checkpoint()

    async def reply(
        self, messages: Sequence[Message], tokens: trio.MemorySendChannel[str]
    ) -> None:
        self.open_requests += 1
        self.prompts.append(tuple(messages))
        try:
            await trio.sleep(self.first_token_s)
            asked = messages[-1].content
            text = self.replies.get(asked, f"you said {asked}.")
            for index, word in enumerate(text.split()):
                if self.fail is not None and index >= self.fail_after:
                    raise self.fail
                await tokens.send(f"{word} ")
                await trio.sleep(self.token_s)
        finally:
            self.open_requests -= 1


@attrs.define(eq=False)
class FakeSynthesizer:
    """`word_s` of audio per word, in pieces of a word, with marks."""

    vocabulary: Vocabulary
    rate_hz: int = SPEECH_RATE_HZ
    word_s: float = 0.2
    first_s: float = 0.03
    piece_s: float = 0.005
    marks: bool = True
    fail_on: str = ""
    speaking: int = 0

    async def synthesize(
        self, phrase: str, audio: trio.MemorySendChannel[Speech]
    ) -> None:
        self.speaking += 1
        try:
            await trio.sleep(self.first_s)
            if self.fail_on and self.fail_on in phrase:
                raise ProviderError(f"cannot say {phrase!r}")
            position = 0
            for index, word in enumerate(phrase.split()):
                start = phrase.index(word, position)
                position = start + len(word)
                pcm = self.vocabulary.speech(word, self.word_s, self.rate_hz)
                mark = WordMark(start, index * len(pcm))
                await audio.send(Speech(pcm, (mark,) if self.marks else ()))
                await trio.sleep(self.piece_s)
        finally:
            self.speaking -= 1
