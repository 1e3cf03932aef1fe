"""An utterance as a Mumble client would send it: which frames, and which is the last.

Nothing in here awaits. Speech is told from silence by loudness alone, because the
recording is all there and one may look at all of it first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import attrs
import numpy as np

from trioagent.errors import ConfigError
from trioagent.interfaces import FRAME_S, Pcm

if TYPE_CHECKING:
    import numpy.typing as npt

Release = Literal["voice", "ptt", "none"]
"""How the client lets go of the talk button.

"voice": voice activation. The client goes on sending for its voice hold after speech,
then sends the terminator; a pause longer than the hold ends a talk spurt too. With
200 ms of hold this is what Mumble 1.5 does by default (1.3 holds for 500 ms).
"ptt": push-to-talk, released exactly at the end. The frame with the last of the speech
carries the terminator; pauses are sent.
"none": as "ptt", but the packets just stop, as when the terminator is lost.
"""

QUIETEST_SPEECH = 0.03
"""A frame 30 dB below the loud ones is no speech, whatever the recording."""
NOISE_MARGIN = 3.0
"""Speech is at least this many times as loud as the recording's noise …"""
LOUDEST_NOISE = 0.15
"""… but what is above this part of the loud frames is never taken for noise."""
LEAD_FRAMES = 3
"""What is sent before the first frame of speech, where the recording has it."""
QUIETEST_RMS = 8.0
"""A recording below this (-72 dB of full scale) is silence altogether."""


@attrs.frozen(eq=False)
class Utterance:
    """Something to say: mono PCM at `rate_hz`, and its words or its file's name."""

    said: str
    pcm: Pcm
    rate_hz: int
    noisy: bool = True
    """False for synthesized speech. It has no silence to measure its noise in, and its
    soft sounds would be taken for that."""


@attrs.frozen(eq=False)
class Frame:
    """`FRAME_S` of a transmission. Without `pcm` nothing is sent in this time."""

    pcm: Pcm | None
    ends_talk: bool = False
    is_speech: bool = False


def rms(pcm: Pcm) -> float:
    """Root mean square of 16-bit samples; 0 for none."""
    return float(np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))) if pcm.size else 0


def speech_frames(
    pcm: Pcm, rate_hz: int, *, noisy: bool = True
) -> npt.NDArray[np.bool_]:
    """Say of each frame of `FRAME_S` whether it is loud enough to be speech.

    The measure is the recording itself: its loud frames (95th percentile) and, if it
    may be `noisy`, its noise (5th percentile). A last part of a frame counts as one.
    """
    levels = np.array([rms(frame) for frame in _frames(pcm, rate_hz)])
    if not levels.size:
        return np.zeros(0, dtype=np.bool_)
    # The nearest frames, not a value between: one loud frame in many zeros is loud.
    noise = np.percentile(levels, 5, method="lower") if noisy else 0.0
    loud = np.percentile(levels, 95, method="higher")
    threshold = max(
        QUIETEST_RMS,
        QUIETEST_SPEECH * loud,
        min(NOISE_MARGIN * noise, LOUDEST_NOISE * loud),
    )
    return np.asarray(levels >= threshold)


def transmission(
    utterance: Utterance, release: Release = "voice", hold_ms: float = 200.0
) -> tuple[Frame, ...]:
    """Return what a client sends for `utterance`, one item per `FRAME_S`.

    It begins `LEAD_FRAMES` before the first frame of speech, because words begin more
    softly than the threshold. Other silence before it is not sent, and none after the
    last one but the voice hold.

    Raises:
        ConfigError: there is no speech in it.
    """
    speech = speech_frames(utterance.pcm, utterance.rate_hz, noisy=utterance.noisy)
    (where,) = np.nonzero(speech)
    if not where.size:
        raise ConfigError(
            f"{utterance.said}: there is only silence in it",
            hint="give a recording in which somebody speaks",
        )
    first, last = int(where[0]), int(where[-1])
    hold = round(hold_ms / 1000 / FRAME_S) if release == "voice" else 0
    lead = min(LEAD_FRAMES, first)
    start, end = first - lead, last + 1 + hold
    pieces = _frames(utterance.pcm, utterance.rate_hz)[start:end]
    quiet = np.zeros(round(utterance.rate_hz * FRAME_S), dtype=np.int16)
    pieces += [quiet] * (end - start - len(pieces))
    is_speech = [i <= last and bool(speech[i]) for i in range(start, end)]
    on_air = [True] * len(pieces)
    if release == "voice":
        on_air[lead:] = _gate(is_speech[lead:], hold)
    frames = []
    for i, piece in enumerate(pieces):
        ends = on_air[i] and not (i + 1 < len(pieces) and on_air[i + 1])
        frames.append(
            Frame(
                piece if on_air[i] else None,
                ends_talk=ends and release != "none",
                is_speech=is_speech[i],
            )
        )
    return tuple(frames)


def _frames(pcm: Pcm, rate_hz: int) -> list[Pcm]:
    """Cut into frames; the last one is filled up with silence."""
    size = round(rate_hz * FRAME_S)
    padded = np.pad(pcm, (0, -len(pcm) % size))
    return list(padded.reshape(-1, size))


def _gate(is_speech: list[bool], hold: int) -> list[bool]:
    """Keep the gate open for `hold` frames after each frame of speech."""
    on_air, left = [], 0
    for loud in is_speech:
        left = hold + 1 if loud else left - 1
        on_air.append(left > 0)
    return on_air
