"""espeak-ng: the real library, in threads."""

from __future__ import annotations

import time
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING

from providers.tts import libespeak
from providers.tts.espeak import PROVIDER, Espeak, Options
from tests.contract.tts_contract import Case, opener

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Synthesizer


class SlowLibrary:
    """The library, with a pause before each piece: a machine that is very busy."""

    def __init__(self, library: libespeak.Library) -> None:
        self._library = library
        self._lock = library._lock
        self.rate_hz = library.rate_hz

    def speak(self, text: str, voice: libespeak.Voice, sink: libespeak.Sink) -> None:
        def slow(samples: bytes, words: list[libespeak.Word]) -> bool:
            time.sleep(0.03)
            return sink(samples, words)

        self._library.speak(text, voice, slow)


def open_espeak() -> AbstractAsyncContextManager[Synthesizer]:
    return PROVIDER.open(Options())


@asynccontextmanager
async def open_slow() -> AsyncIterator[Synthesizer]:
    async with open_espeak() as tts:
        assert isinstance(tts, Espeak)
        tts._library = SlowLibrary(tts._library)  # type: ignore[assignment] # stands in
        yield tts


@asynccontextmanager
async def open_failing() -> AsyncIterator[Synthesizer]:
    async with open_espeak() as tts:
        assert isinstance(tts, Espeak)
        tts._voice = libespeak.Voice("no-such-voice", 175, 50)
        yield tts


def is_idle(tts: Synthesizer) -> bool:
    assert isinstance(tts, Espeak)
    return not tts._limiter.borrowed_tokens and not tts._library._lock.locked()


CASES = [
    Case(
        name="espeak",
        open=opener(open_espeak),
        open_slow=opener(open_slow),
        open_failing=opener(open_failing),
        open_unusable=opener(lambda: PROVIDER.open(Options(voice="no-such-voice"))),
        is_idle=is_idle,
        frees_within_s=2,
        # A part of 400 characters, some 30 s, and what holds its pieces.
        ahead_bytes=3_000_000,
        marks_words=True,
        exact=False,
    )
]
