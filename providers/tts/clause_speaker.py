"""A synthesizer made of a blocking function that speaks one clause.

One worker thread serves all callers, clause by clause. What a receiver has no room for
waits in the event loop, at most one clause of it, and the thread is free meanwhile.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import outcome
import trio

from providers.tts.clauses import clauses
from trioagent.interfaces import Outlet, Speech

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.interfaces import Pcm
    from trioagent.offload import ThreadOffload

Samples = npt.NDArray[np.float32]
Sink = Callable[[Samples], bool]
"""Takes samples of -1 to 1, in the worker thread; False: nobody wants more. It never
raises, so a native function may call it."""
Speak = Callable[[str, Sink], None]
"""Speaks a clause into a sink, in the calling thread. Raises `ProviderError`."""

_FULL_SCALE = 32767.0
_PIECE_S = 0.1


class ClauseSpeaker:
    """Speaks phrases with one model, in one worker thread."""

    def __init__(self, rate_hz: int, speak: Speak, offload: ThreadOffload) -> None:
        self._rate_hz = rate_hz
        self._speak = speak
        self._offload = offload

    @property
    def rate_hz(self) -> int:
        """The model's sample rate."""
        return self._rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """Send `phrase` as speech; the first clause of it as soon as it is made.

        If cancelled, this returns at once and sends nothing more. The thread stops
        when the model next gives it control; the next phrase waits for that.
        """
        await trio.lowlevel.checkpoint()
        delivery = _Delivery(audio, round(self._rate_hz * _PIECE_S))
        try:
            for clause in clauses(_speakable(phrase)):
                await self._offload(self._speak_clause, clause, delivery)
                await delivery.send_rest()
        finally:
            delivery.is_open = False

    def _speak_clause(self, clause: str, delivery: _Delivery) -> None:
        self._speak(clause, delivery.take)
        delivery.raise_failure()


class _Delivery:
    """The way of a phrase's audio from the worker thread to its receiver."""

    def __init__(self, audio: Outlet[Speech], piece_samples: int) -> None:
        self._audio = audio
        self._piece_samples = piece_samples
        self._rest: deque[Speech] = deque()
        self._failure: BaseException | None = None
        self.is_open = True

    def take(self, samples: Samples) -> bool:
        """Called in the thread. What goes wrong is raised by `raise_failure`."""
        taken = outcome.capture(self._take, samples)
        if isinstance(taken, outcome.Error):
            self._failure = taken.error
        return self._failure is None

    def raise_failure(self) -> None:
        """Called in the thread, after the model: nobody wants more, or nobody is."""
        if self._failure is not None:
            raise self._failure

    def _take(self, samples: Samples) -> None:
        trio.from_thread.check_cancelled()
        pieces = list(self._pieces(_to_pcm(samples)))
        trio.from_thread.run_sync(self._send_now, pieces)

    def _pieces(self, pcm: Pcm) -> Iterator[Speech]:
        for start in range(0, len(pcm), self._piece_samples):
            yield Speech(pcm[start : start + self._piece_samples])

    def _send_now(self, pieces: list[Speech]) -> None:
        # An abandoned thread may call us after the phrase was cancelled, and the
        # receiver may by then listen to another.
        if not self.is_open:
            return
        self._rest.extend(pieces)
        try:
            while self._rest:
                self._audio.send_nowait(self._rest[0])
                self._rest.popleft()
        except trio.WouldBlock:
            pass

    async def send_rest(self) -> None:
        """Send what the receiver had no room for, at its pace."""
        await trio.lowlevel.checkpoint()
        while self._rest:
            await self._audio.send(self._rest.popleft())


def _to_pcm(samples: Samples) -> Pcm:
    # A copy: a native library may reuse its memory.
    bounded = np.clip(np.nan_to_num(samples.reshape(-1)), -1, 1)
    pcm: Pcm = np.rint(bounded * np.float32(_FULL_SCALE)).astype(np.int16)
    return pcm


def _speakable(phrase: str) -> str:
    """Without what a native library may choke on: half surrogates, control codes."""
    whole = phrase.encode(errors="replace").decode()
    return "".join(x if x.isprintable() or x.isspace() else " " for x in whole)
