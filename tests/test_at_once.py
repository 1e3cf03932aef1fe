"""A text to all its audio, and audio to all its text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.fake_room import tone
from trioagent.calling.at_once import speak
from trioagent.errors import ProviderError
from trioagent.interfaces import Speech

if TYPE_CHECKING:
    import trio


class FakeSynthesizer:
    rate_hz = 22_050

    def __init__(self, *pieces: Speech, error: ProviderError | None = None) -> None:
        self._pieces = pieces
        self._error = error

    async def synthesize(
        self, phrase: str, audio: trio.MemorySendChannel[Speech]
    ) -> None:
        for piece in self._pieces:
            await audio.send(piece)
        if self._error:
            raise self._error


async def test_pieces_are_put_together() -> None:
    pieces = [Speech(tone(level, 0.1)) for level in (100, 200, 300)]
    pcm = await speak(FakeSynthesizer(*pieces), "one two three")
    assert np.array_equal(pcm, np.concatenate([piece.pcm for piece in pieces]))
    assert pcm.dtype == np.int16


async def test_failure_comes_as_it_is() -> None:
    error = ProviderError("no voice")
    with pytest.raises(ProviderError) as caught:
        await speak(FakeSynthesizer(Speech(tone(100)), error=error), "hello")
    assert caught.value is error


@pytest.mark.parametrize("pieces", [(), (Speech(tone(0, 1.0)),)])
async def test_no_sound_is_a_failure(pieces: tuple[Speech, ...]) -> None:
    with pytest.raises(ProviderError, match="no sound of ':-\\)'"):
        await speak(FakeSynthesizer(*pieces), ":-)")
