"""What a recorded recognizer knew after how much audio, whoever asks for it when.

A position is a number of samples of one speaker's audio, in the order in which they
came. Nothing in here awaits.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import attrs

from trioagent.interfaces import HEARING_RATE_HZ
from trioagent.recording import format as f
from trioagent.stages.hearing import FLUSH_S

# So much silence makes a recognizer let go of its last word: it tells then what it was
# going to know after as much more audio.
FLUSH_SAMPLES = round(FLUSH_S * HEARING_RATE_HZ)
# Times in recordings are rounded.
ROUNDED_S = 2e-6


@attrs.frozen
class Step:
    """The recognizer had been fed up to `position`, and knew `text`."""

    position: int
    text: str
    took_s: float
    flushed: bool = False
    """Whether that was silence which nobody sent, in a pause."""


@attrs.frozen
class Stream:
    """A recorded stream of the recognizer."""

    start: int
    end: int
    """Where its utterance ended, or the last that it was fed with."""
    steps: tuple[Step, ...]
    speech_end: int | None = None
    """Where it last held speech, if it was heard out."""
    final: str | None = None
    failed_at: int | None = None
    failure: f.StreamFailed | None = None

    def step(self, position: int, *, flushed: bool) -> Step | None:
        """The last at or before `position`; what was flushed there only if asked."""
        index = bisect_right(self.steps, position, key=lambda step: step.position)
        while index and not flushed and self.steps[index - 1].flushed:
            if self.steps[index - 1].position < position:
                break
            index -= 1
        return self.steps[index - 1] if index else None


@attrs.frozen
class Timeline:
    """How much was heard of one speaker when, and what the recognizer made of it."""

    times: tuple[float, ...] = ()
    """When each packet came."""
    ends: tuple[int, ...] = ()
    """The position after it."""
    onsets: tuple[int, ...] = ()
    """Where speech begins after none, or a talk spurt after a gap."""
    streams: tuple[Stream, ...] = ()
    opening_s: float = 0.0
    """How long it takes to open a stream."""
    feeding_s: float = 0.0
    """How long it takes to feed one, where that is not known better."""
    finishing_s: float = 0.0
    """How long it takes to finish one."""

    def position(self, time: float) -> int:
        """How much had come by then."""
        index = bisect_right(self.times, time + ROUNDED_S)
        return self.ends[index - 1] if index else 0

    def hypothesis(self, start: int, position: int, *, flushed: bool) -> str:
        """The words between two positions that are known at the second."""
        return self._joined(start, position, flushed=flushed, finished=False)

    def transcript(self, start: int, position: int) -> str:
        """The words between two positions, when nothing more is fed."""
        return self._joined(start, position, flushed=True, finished=True)

    def fed_in_s(self, start: int, position: int, *, flushed: bool) -> float:
        """How long a feed takes: as the recorded one there."""
        streams = self._between(start, position)
        step = streams[-1].step(position, flushed=flushed) if streams else None
        if step is None or step.flushed != flushed:
            return self.feeding_s
        return step.took_s

    def failure(
        self, start: int, position: int, *, finished: bool
    ) -> f.StreamFailed | None:
        """How the recorded recognizer failed on this audio, if it did."""
        for stream in self._between(start, position):
            failure, at = stream.failure, stream.failed_at
            if failure is None or at is None or position < at:
                continue
            if finished or failure.samples is not None:
                return failure
        return None

    def _joined(
        self, start: int, position: int, *, flushed: bool, finished: bool
    ) -> str:
        texts = []
        for stream in self._between(start, position):
            text = self._told(stream, position, flushed=flushed, finished=finished)
            if stream.start < start:
                before = self._told(stream, start, flushed=True, finished=False)
                text = " ".join(text.split()[len(before.split()) :])
            texts.append(text)
        return " ".join(filter(None, texts))

    def _told(
        self, stream: Stream, position: int, *, flushed: bool, finished: bool
    ) -> str:
        if stream.final is not None:
            end = stream.speech_end
            heard_out = finished and end is not None and position >= end
            if heard_out or position > stream.end:
                return stream.final
        known = self._known_when_flushed(position) if flushed else position
        step = stream.step(known, flushed=flushed)
        return step.text if step else ""

    def _known_when_flushed(self, position: int) -> int:
        """A flush tells the words up to `position`, and none of what begins there."""
        index = bisect_left(self.onsets, position)
        return min([position + FLUSH_SAMPLES, *self.onsets[index : index + 1]])

    def _between(self, start: int, position: int) -> list[Stream]:
        return [s for s in self.streams if s.start < position and s.end > start]
