"""A synthesizer as its contract takes it, and how to have it speak."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import attrs
import numpy as np
import trio

from trioagent.interfaces import Pcm, Speech, Synthesizer

Opener = Callable[[Path], AbstractAsyncContextManager[Synthesizer]]
"""Opens the provider; may write what it needs into the folder."""

PHRASE = "Good morning, Anna. It is half past seven."
OTHER = "We have no more tea."
LONG = "This is a sentence that goes on and on and says little, and then it ends. " * 3
VERY_LONG = "One more sentence is here, so that there is much to say. " * 120
NOTHING = ["", " ", "\n\t", "...", "?!", "\N{EM DASH}", "\N{GRINNING FACE}", "\x00"]
ODD = [
    "a\x00b",
    "line\nline",
    "caf\u00e9 \u65e5\u672c \u05e9\u05dc\u05d5\u05dd",
    "\ud83d x",
]
ODD += ["9" * 60, "x" * 500, "<b>bold</b> & more"]
FULL_SCALE = 32767


@attrs.frozen(kw_only=True, eq=False)
class Case:
    """A provider as the contract takes it.

    Attributes:
        open: The smallest real thing of its kind.
        open_slow: The same, with calls that block for at least 50 ms.
        open_failing: One that opens, and fails at each phrase.
        open_unusable: One that cannot be opened; None if opening needs nothing.
        is_idle: Whether nothing works for this synthesizer any more.
        frees_within_s: After a cancellation, wherever it strikes.
        ahead_bytes: Memory that may be taken for a receiver that does not listen.
        marks_words: Whether all words have marks.
        exact: Whether the same phrase gives the same samples each time.
        skip: Why it cannot be run here; "" if it can.
    """

    name: str
    open: Opener
    open_slow: Opener
    open_failing: Opener
    open_unusable: Opener | None
    is_idle: Callable[[Synthesizer], bool]
    frees_within_s: float
    ahead_bytes: int
    marks_words: bool = False
    exact: bool = True
    skip: str = ""


Requirement = Callable[[Case, Path], Awaitable[None]]


@attrs.define(eq=False)
class Spoken:
    """All pieces of a phrase that arrived."""

    pieces: list[Speech] = attrs.field(factory=list)

    @property
    def pcm(self) -> Pcm:
        parts = [piece.pcm for piece in self.pieces]
        return np.concatenate(parts) if parts else np.zeros(0, np.int16)


async def speak(tts: Synthesizer, phrase: str, *, room: float = math.inf) -> Spoken:
    """Have `phrase` spoken into a channel with `room` for so many pieces."""
    spoken = Spoken()
    failures: list[Exception] = []
    send, receive = trio.open_memory_channel[Speech](room)

    async def synthesize() -> None:
        async with send:
            try:
                await tts.synthesize(phrase, send)
            except Exception as error:  # noqa: BLE001 - raised again below
                failures.append(error)

    with trio.fail_after(30):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(synthesize)
            async with receive:
                async for piece in receive:
                    spoken.pieces.append(piece)
    for failure in failures:
        raise failure
    return spoken


def alike(case: Case, one: Spoken, other: Spoken) -> bool:
    if case.exact:
        return np.array_equal(one.pcm, other.pcm)
    return abs(len(one.pcm) - len(other.pcm)) < 0.1 * max(len(one.pcm), 1)


async def until_idle(case: Case, tts: Synthesizer) -> None:
    with trio.fail_after(case.frees_within_s):
        # A thread has no event for it.
        while not case.is_idle(tts):  # noqa: ASYNC110
            await trio.sleep(0.001)


async def stays_right(case: Case, tts: Synthesizer, alone: Spoken) -> None:
    """It is soon idle, and the next phrase is what it was before."""
    await until_idle(case, tts)
    again = await speak(tts, PHRASE)
    assert alike(case, again, alone)


def opener(function: Callable[..., AbstractAsyncContextManager[Synthesizer]]) -> Opener:
    """For openers that need no folder."""

    def opened(_folder: Path) -> AbstractAsyncContextManager[Synthesizer]:
        return function()

    return opened
