"""Where a recording's audio lies on its time axis, to be drawn and to be played.

What came without a pause lies without one, though the network or the scheduler moved
each packet by a few milliseconds; where nothing came, there is nothing.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import attrs
import numpy as np

from trioagent.interfaces import HEARING_RATE_HZ, Pcm
from trioagent.recording.format import Joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trioagent.recording.recording import Recording

# Packets and frames that are off by less than this follow each other.
JOINED_S = 0.04
# Enough for speech; a higher rate makes larger pages.
MOST_RATE_HZ = 24_000
# A page draws no more bins of a waveform than this, and none shorter than this.
MOST_BINS = 3000
BIN_S = 0.002

Envelope = list[tuple["np.ndarray", "np.ndarray", "np.ndarray"]]
"""Times, lowest and highest values (of 1) of each stretch."""


@attrs.frozen(eq=False)
class Stretch:
    """Audio without a gap, from `start` seconds on."""

    start: float
    pcm: Pcm


@attrs.frozen(eq=False)
class Track:
    """What one speaker said, or the agent."""

    name: str
    rate_hz: int
    stretches: tuple[Stretch, ...]

    @property
    def start(self) -> float:
        """When its first sample sounds; infinitely late if it has none."""
        return min((s.start for s in self.stretches), default=np.inf)

    @property
    def end(self) -> float:
        """When its last sample has sounded."""
        ends = [s.start + len(s.pcm) / self.rate_hz for s in self.stretches]
        return max(ends, default=-np.inf)

    @property
    def peak(self) -> float:
        """The greatest amplitude, of 1."""
        peaks = [np.abs(s.pcm.astype(np.int32)).max() for s in self.stretches]
        return float(max(peaks, default=0)) / 32768

    def envelope(self, bin_s: float) -> Envelope:
        """The lowest and highest value in each `bin_s` seconds."""
        return [_envelope(s, max(1, round(bin_s * self.rate_hz)), self.rate_hz)
                for s in self.stretches]  # fmt: skip


@attrs.frozen(eq=False)
class Tracks:
    """All that sounds in a recording, and the span of time that it is about."""

    heard: dict[int, Track]
    """By speaker."""
    spoken: Track
    start: float
    end: float

    @property
    def bin_s(self) -> float:
        """How finely waveforms are drawn."""
        return max(BIN_S, (self.end - self.start) / MOST_BINS)

    def stereo(self) -> tuple[np.ndarray, int]:
        """(samples, 2) of int16, from `start` to `end`, and the rate in Hz.

        Left is what was heard, right what was spoken.
        """
        rate_hz = min(self.spoken.rate_hz, MOST_RATE_HZ)
        length = max(1, round((self.end - self.start) * rate_hz))
        mixed = np.zeros((length, 2), np.int32)
        sides = [(track, 0) for track in self.heard.values()] + [(self.spoken, 1)]
        for track, side in sides:
            for stretch in track.stretches:
                pcm = _resampled(stretch.pcm, track.rate_hz, rate_hz)
                at = round((stretch.start - self.start) * rate_hz)
                room = mixed[at : at + len(pcm), side]
                room += pcm[: len(room)]
        return np.clip(mixed, -32768, 32767).astype(np.int16), rate_hz

    def as_uri(self) -> str:
        """`stereo` as FLAC, in a URI that holds it all."""
        import soundfile  # noqa: PLC0415 - slow to import

        mixed, rate_hz = self.stereo()
        file = io.BytesIO()
        soundfile.write(file, mixed, rate_hz, format="FLAC", subtype="PCM_16")
        return f"data:audio/flac;base64,{base64.b64encode(file.getvalue()).decode()}"


def tracks(recording: Recording) -> Tracks:
    """Lay a recording's audio on its time axis."""
    names = speakers(recording)
    heard = {
        speaker: Track(
            names.get(speaker, f"speaker {speaker}"),
            HEARING_RATE_HZ,
            _joined(_packets(recording, speaker), HEARING_RATE_HZ),
        )
        for speaker in recording.heard
    }
    rate_hz = recording.header.room_rate_hz
    frames = ((frame.t, pcm) for frame, pcm in recording.frames())
    spoken = Track(recording.header.agent, rate_hz, _joined(frames, rate_hz))
    every = [*heard.values(), spoken]
    start = min(0.0, *(track.start for track in every))
    end = max(recording.length_s, *(track.end for track in every))
    return Tracks(heard, spoken, float(start), float(max(end, start + 0.1)))


def speakers(recording: Recording) -> dict[int, str]:
    """The names of those who were there, or came."""
    people = [*recording.header.present]
    people += [e.person for e in recording.entries if isinstance(e, Joined)]
    return {person.id: person.name for person in people}


def _packets(recording: Recording, speaker: int) -> Iterable[tuple[float, Pcm]]:
    """A packet arrives when its audio has ended."""
    for ear in recording.header.ears:
        if ear.speaker == speaker:
            for kept, pcm in recording.pre_roll(ear):
                yield kept.t - len(pcm) / HEARING_RATE_HZ, pcm
    for packet, pcm in recording.packets():
        if packet.speaker == speaker:
            arrived = packet.t if packet.arrived is None else packet.arrived
            yield arrived - len(pcm) / HEARING_RATE_HZ, pcm


def _joined(pieces: Iterable[tuple[float, Pcm]], rate_hz: int) -> tuple[Stretch, ...]:
    found: list[tuple[float, list[Pcm]]] = []
    end = -np.inf
    for start, pcm in pieces:
        if not len(pcm):
            continue
        if start - end > JOINED_S:
            found.append((start, []))
            end = start
        found[-1][1].append(pcm)
        end += len(pcm) / rate_hz
    return tuple(Stretch(start, np.concatenate(parts)) for start, parts in found)


def _envelope(
    stretch: Stretch, size: int, rate_hz: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    starts = np.arange(0, len(stretch.pcm), size)
    lowest = np.minimum.reduceat(stretch.pcm, starts) / 32768
    highest = np.maximum.reduceat(stretch.pcm, starts) / 32768
    return stretch.start + (starts + size / 2) / rate_hz, lowest, highest


def _resampled(pcm: Pcm, rate_hz: int, wanted_hz: int) -> np.ndarray:
    if rate_hz == wanted_hz:
        return pcm
    import soxr  # noqa: PLC0415 - slow to import

    resampled: np.ndarray = soxr.resample(pcm, rate_hz, wanted_hz)
    return resampled
