"""What was measured of each kind of provider. Values only."""

from __future__ import annotations

import attrs


@attrs.frozen
class VadCost:
    """What a frame of one speaker costs, in milliseconds, in the event loop."""

    frame_ms: float
    median_ms: float
    worst_ms: float


@attrs.frozen
class SynthesisSpeed:
    """`rtf` is the time it took for a second of audio; None if there was no audio."""

    first_piece_ms: float | None
    rtf: float | None
    audio_s: float
    cut_off: bool


@attrs.frozen
class RecognitionSpeed:
    """A recognizer's speed; `rtf` is with `speakers` at once, in s per s of each.

    An `rtf` of None: not one piece of speech was done in time. `first_words_ms` and
    `final_ms` are of speech in real time: from its beginning, and from its end.
    """

    speakers: int
    audio_s: float
    rtf_alone: float | None
    rtf: float | None
    first_words_ms: float | None
    final_ms: float | None


@attrs.frozen
class ReplySpeed:
    """`pieces` are tokens with most servers. What was too short to tell is None."""

    first_token_ms: float | None
    pieces: int
    pieces_per_s: float | None
    chars_per_s: float | None
    cut_off: bool
