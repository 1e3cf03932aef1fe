"""Streams of several speakers, decoded in one batch on one thread.

There is no task for it: of the callers that wait, one leads. It takes the worker thread
until somebody's audio is decoded, for all who wait, then the next one leads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import attrs
import trio

from trioagent.errors import ProviderError
from trioagent.interfaces import HEARING_RATE_HZ, Pcm

if TYPE_CHECKING:
    from trioagent.interfaces import Offload

# What each stream takes in a round, so how much audio somebody waits for who comes
# while a round is on, or whose neighbour was cancelled.
PIECE_SAMPLES = HEARING_RATE_HZ // 10


class Decoder(Protocol):
    """What decodes; all of it blocks."""

    def start(self) -> Any:  # noqa: ANN401 - sherpa_onnx has no types
        """Make a stream for one utterance."""

    def accept(self, stream: Any, pcm: Pcm) -> None:  # noqa: ANN401
        """Put audio behind what the stream has."""

    def decode(self, streams: list[Any]) -> None:
        """Decode what is ready of the streams, each of which is there once.

        Raises:
            RuntimeError: onnxruntime failed.
        """

    def text(self, stream: Any) -> str:  # noqa: ANN401
        """Return the hypothesis so far."""


@attrs.define(eq=False)
class Utterance:
    """One utterance of one speaker. Its stream is made in the first round."""

    stream: Any = None


@attrs.define(eq=False)
class Job:
    """Audio of an utterance, and what came of it. Only worker threads change it."""

    utterance: Utterance
    pcm: Pcm
    taken: int = 0
    text: str = ""
    error: RuntimeError | None = None
    done: bool = False


class Batcher:
    """Decodes for callers that come at any time; each waits for its own audio only."""

    def __init__(
        self, decoder: Decoder, offload: Offload, provider: str = "sherpa"
    ) -> None:
        self._decoder = decoder
        self._offload = offload
        self._provider = provider
        # Tasks add and remove; the thread only copies it, once per round.
        self._jobs: list[Job] = []
        self._led = False
        self._changed = trio.lowlevel.ParkingLot()

    async def decode(self, utterance: Utterance, pcm: Pcm) -> str:
        """Decode `pcm` behind the utterance's earlier audio; return its hypothesis.

        If cancelled, what no round has taken yet is dropped. The thread finishes the
        round it is in, or less of it if it worked for this caller alone or as leader.

        Raises:
            ProviderError: onnxruntime failed in a round that this audio was part of.
        """
        job = Job(utterance, pcm)
        self._jobs.append(job)
        try:
            while True:
                if self._led:
                    await self._changed.park()
                else:
                    await self._lead()
                if job.done:
                    break
        finally:
            if job in self._jobs:
                self._jobs.remove(job)
        if job.error is not None:
            raise self._translated(job.error) from job.error
        return job.text

    async def _lead(self) -> None:
        self._led = True
        try:
            await self._offload(self._run_until_one_is_done)
        except RuntimeError as error:  # there is no thread to be had
            raise self._translated(error) from error
        finally:
            # A cancelled leader's thread may still be at work. The next leader's call
            # waits for its end, and finds in the list whom it has served since.
            self._led = False
            self._jobs[:] = [job for job in self._jobs if not job.done]
            self._changed.unpark_all()

    def _run_until_one_is_done(self) -> None:
        while (jobs := self._jobs.copy()) and not any(job.done for job in jobs):
            # Tasks that share an utterance come one after the other.
            firsts: dict[Utterance, Job] = {}
            for job in jobs:
                firsts.setdefault(job.utterance, job)
            self._round(list(firsts.values()))

    def _round(self, jobs: list[Job]) -> None:
        try:
            streams = [self._take_piece(job) for job in jobs]
            self._decoder.decode(streams)
            for job, stream in zip(jobs, streams, strict=True):
                if job.taken == len(job.pcm):
                    job.text = self._decoder.text(stream)
                    job.done = True
        except RuntimeError as error:
            # Nobody knows which of the streams it was, and how far the others came.
            for job in jobs:
                job.error, job.done = error, True

    def _take_piece(self, job: Job) -> Any:  # noqa: ANN401
        """Give the stream its next audio. If the round ends early, it is not lost."""
        if job.utterance.stream is None:
            job.utterance.stream = self._decoder.start()
        piece = job.pcm[job.taken : job.taken + PIECE_SAMPLES]
        if len(piece):
            self._decoder.accept(job.utterance.stream, piece)
            job.taken += len(piece)
        return job.utterance.stream

    def _translated(self, error: RuntimeError) -> ProviderError:
        return ProviderError(f"{self._provider}: decoding failed: {error}")
