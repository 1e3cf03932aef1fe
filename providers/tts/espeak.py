"""Speech from espeak-ng: robotic, but there at once, on any machine."""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio
from attrs import validators as v

from providers.tts import libespeak
from trioagent.errors import ProviderUnavailable
from trioagent.interfaces import Outlet, Speech, Synthesizer, WordMark
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

_LONGEST_PART_CHARS = 400
"""Of a phrase that is made at once: some 30 s, 1.3 MB, of speech."""
_UP_TO = f".{{1,{_LONGEST_PART_CHARS}}}"
_PART = re.compile(rf"{_UP_TO}(?!\S)|{_UP_TO}", re.DOTALL)


@attrs.frozen(kw_only=True)
class Options:
    """`[tts.espeak]`: how it sounds."""

    voice: str = attrs.field(default="en-us", validator=v.min_len(1))
    """As `espeak-ng --voices` lists them; British English is "gmw/en"."""
    words_per_minute: int = attrs.field(default=175, validator=[v.ge(80), v.le(450)])
    pitch: int = attrs.field(default=50, validator=[v.ge(0), v.le(99)])


class Espeak:
    """Speaks with one voice. Several share the library and take turns in it.

    It works a thousand times faster than people listen. So what the receiver has no
    room for waits here, not in the library: a phrase that is held back holds no other.
    """

    def __init__(self, library: libespeak.Library, voice: libespeak.Voice) -> None:
        self._library = library
        self._voice = voice
        self._limiter = trio.CapacityLimiter(1)

    @property
    def rate_hz(self) -> int:
        """Of all it says: 22050 Hz."""
        return self._library.rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """Send `phrase` as speech, some 50 ms at a time, with its words.

        A phrase of nothing but punctuation or emoji has no audio. If cancelled, the
        thread has stopped before this returns.
        """
        await trio.lowlevel.checkpoint()
        at_sample = 0
        for start_char, text in _parts(phrase):
            part = _Part(text, start_char, at_sample, audio)
            # Never abandoned: the thread ends at its next piece, and an abandoned one
            # could wait for our receiver for ever, with the library locked.
            try:
                await trio.to_thread.run_sync(
                    partial(self._library.speak, text, self._voice, part.take),
                    limiter=self._limiter,
                )
            except trio.BrokenResourceError:
                # Who cancels us closes the receiver, too, perhaps before the thread
                # looks: that is no failure.
                await trio.lowlevel.checkpoint_if_cancelled()  # noqa: ASYNC120 - so it is
                raise
            await part.send_rest()
            at_sample = part.end_sample


class _Part:
    """A part of a phrase on its way from the library's thread to the receiver."""

    def __init__(
        self,
        text: str,
        start_char: int,
        at_sample: int,
        audio: Outlet[Speech],
    ) -> None:
        self._text = text
        self._start_char = start_char
        self._start_sample = self.end_sample = at_sample
        self._audio = audio
        self._last_marked = -1
        self._rest: deque[Speech] = deque()

    def take(self, samples: bytes, words: list[libespeak.Word]) -> bool:
        """Called in the thread; raises `trio.Cancelled` when nobody wants any more."""
        pcm = np.frombuffer(samples, np.int16)
        speech = Speech(pcm, tuple(self._marks(words)))
        self.end_sample += len(pcm)
        trio.from_thread.check_cancelled()
        if self._rest or not trio.from_thread.run_sync(self._send_now, speech):
            self._rest.append(speech)
        return True

    async def send_rest(self) -> None:
        """Send what the receiver had no room for, at its pace."""
        await trio.lowlevel.checkpoint()
        while self._rest:
            await self._audio.send(self._rest.popleft())

    def _send_now(self, speech: Speech) -> bool:
        try:
            self._audio.send_nowait(speech)
        except trio.WouldBlock:
            return False
        return True

    def _marks(self, words: list[libespeak.Word]) -> Iterator[WordMark]:
        # The library also reports parts of spelled-out numbers and symbols, some with
        # wrong positions: only what begins a word of the text is a mark.
        for word in words:
            at = word.start_char
            if at > self._last_marked and _begins_word(self._text, at):
                self._last_marked = at
                yield WordMark(
                    self._start_char + at, self._start_sample + word.at_sample
                )


def _begins_word(text: str, at: int) -> bool:
    if at >= len(text) or text[at].isspace():
        return False
    # Scripts that put no spaces between words have no case either.
    is_caseless = text[at].isalpha() and text[at].lower() == text[at].upper()
    return at == 0 or not text[at - 1].isalnum() or is_caseless


def _parts(phrase: str) -> Iterator[tuple[int, str]]:
    """Cut at white space into parts that are safe to speak: (first character, part)."""
    # Control characters can be commands to the library, and NUL would end the text.
    safe = "".join(" " if unicodedata.category(x) == "Cc" else x for x in phrase)
    for match in _PART.finditer(safe):
        # The library knows names of emoji; alone they are nothing to say.
        if any(character.isalnum() for character in match[0]):
            yield match.start(), match[0]


def _load(options: Options) -> tuple[libespeak.Library, libespeak.Voice]:
    """Takes some 40 ms: the library and the voice are read from disk."""
    library = libespeak.load()
    voice = libespeak.Voice(options.voice, options.words_per_minute, options.pitch)
    library.speak("a", voice, lambda _samples, _words: False)
    return library, voice


@asynccontextmanager
async def _open(options: Options) -> AsyncIterator[Synthesizer]:
    library, voice = await trio.to_thread.run_sync(_load, options)
    yield Espeak(library, voice)


def _unavailable(_options: Options) -> str | None:
    try:
        libespeak.load()
    except ProviderUnavailable as error:
        return str(error)
    return None


PROVIDER = Provider[Options, Synthesizer](
    options=Options, open=_open, unavailable=_unavailable
)
