"""The way from a blocking model to a receiver, with a model that does as it is told."""

from __future__ import annotations

import math
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import trio

from providers.tts.clause_speaker import ClauseSpeaker
from tests.contract.tts_contract import speak
from trioagent.errors import ProviderError
from trioagent.interfaces import Speech
from trioagent.offload import ThreadOffload

if TYPE_CHECKING:
    from providers.tts.clause_speaker import Sink

RATE_HZ = 8_000
PIECE = RATE_HZ // 10
UNIT = 1 / 32767


class Counting:
    """Says 1, 2, 3, … in parts of `part` samples; the last ones after `gate` opens."""

    def __init__(self, parts: int, part: int, *, gate_at: int | None = None) -> None:
        self.parts, self.part, self.gate_at = parts, part, gate_at
        self.gate = threading.Event()
        self.given = 0
        self.refused = False

    def __call__(self, _clause: str, sink: Sink) -> None:
        for number in range(self.parts):
            if number == self.gate_at:
                assert self.gate.wait(5)
            start = number * self.part + 1
            numbers = np.arange(start, start + self.part, dtype=np.float32)
            self.given += 1
            if not sink(numbers * np.float32(UNIT)):
                self.refused = True
                return

    async def comes_to_the_gate(self) -> None:
        with trio.fail_after(5):
            while self.given != self.gate_at:  # noqa: ASYNC110 - a thread has no event
                await trio.sleep(0.001)


def speaker(model: Any) -> ClauseSpeaker:
    return ClauseSpeaker(RATE_HZ, model, ThreadOffload())


@pytest.mark.parametrize("room", [0, 1, 3, math.inf])
@pytest.mark.parametrize(("parts", "part"), [(1, 4_000), (7, 500), (3, PIECE)])
async def test_all_of_it_in_order(room: float, parts: int, part: int) -> None:
    spoken = await speak(speaker(Counting(parts, part)), "One.", room=room)
    assert spoken.pcm.tolist() == list(range(1, parts * part + 1))
    assert max(len(piece.pcm) for piece in spoken.pieces) == min(part, PIECE)


async def test_the_model_is_told_when_nobody_listens() -> None:
    model = Counting(10, PIECE, gate_at=3)
    send, _receive = trio.open_memory_channel[Speech](math.inf)
    tts = speaker(model)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tts.synthesize, "One.", send)
        await model.comes_to_the_gate()
        nursery.cancel_scope.cancel()
    model.gate.set()
    with trio.fail_after(5):
        while tts._offload.busy:  # noqa: ASYNC110 - a thread has no event
            await trio.sleep(0.001)
    assert (model.given, model.refused) == (4, True)
    assert send.statistics().current_buffer_used == 3


async def test_a_receiver_that_is_gone_stops_the_model() -> None:
    model = Counting(10, PIECE)
    send, receive = trio.open_memory_channel[Speech](0)
    receive.close()
    with pytest.raises(trio.BrokenResourceError):
        await speaker(model).synthesize("One.", send)
    assert (model.given, model.refused) == (1, True)


async def test_what_the_model_raises_comes_through() -> None:
    def fails(_clause: str, sink: Sink) -> None:
        assert sink(np.full(10, 0.5, np.float32))
        raise ProviderError("no more")

    with pytest.raises(ProviderError, match="no more"):
        await speak(speaker(fails), "One.")


async def test_samples_out_of_bounds_are_cut() -> None:
    def loud(_clause: str, sink: Sink) -> None:
        sink(np.array([2.0, -2.0, math.nan, math.inf, 0.5], np.float32))

    spoken = await speak(speaker(loud), "One.")
    assert spoken.pcm.tolist() == [32767, -32767, 0, 32767, 16384]


async def test_what_cannot_be_spoken_does_not_reach_the_model() -> None:
    said = []

    def keep(clause: str, _sink: Sink) -> None:
        said.append(clause)

    await speak(speaker(keep), "a\x00b \ud83d c\n\u0085d")
    assert said == ["a b? c d"]
    await speak(speaker(keep), "\N{GRINNING FACE} ...")
    assert len(said) == 1
