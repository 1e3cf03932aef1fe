"""Models that stream, used all at once: a text to its audio, audio to its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import trio

from trioagent.errors import ProviderError
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speech

if TYPE_CHECKING:
    from trioagent.interfaces import Recognizer, Synthesizer

TRANSCRIBE_PIECE_S = 0.1


async def speak(synthesizer: Synthesizer, text: str) -> Pcm:
    """Return `text` as speech, at the synthesizer's rate.

    Raises:
        ProviderError: the synthesizer failed, or made no sound of it.
    """
    failure: ProviderError | None = None
    send, receive = trio.open_memory_channel[Speech](0)

    async def synthesize() -> None:
        nonlocal failure
        # Caught in here: from a nursery it would come wrapped in a group.
        async with send:
            try:
                await synthesizer.synthesize(text, send)
            except ProviderError as error:
                failure = error

    async with receive, trio.open_nursery() as nursery:
        nursery.start_soon(synthesize, name="synthesize at once")
        pieces = [speech.pcm async for speech in receive]
    if failure is not None:
        raise failure
    pcm = np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)
    if not pcm.any():
        raise ProviderError(
            f"the synthesizer made no sound of {text!r}",
            hint="give words that can be spoken aloud",
        )
    return pcm


async def transcribe(recognizer: Recognizer, pcm: Pcm) -> str:
    """Return the words in `pcm`, at `HEARING_RATE_HZ`; "" if it is empty.

    Raises:
        ProviderError: the recognizer failed.
    """
    if not pcm.size:
        return ""
    size = round(TRANSCRIBE_PIECE_S * HEARING_RATE_HZ)
    async with recognizer.stream() as stream:
        for begin in range(0, len(pcm), size):
            await stream.feed(pcm[begin : begin + size])
        return await stream.finish()
