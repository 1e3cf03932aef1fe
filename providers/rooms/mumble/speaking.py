"""What the agent says, as voice packets. Nothing in here awaits; time is passed in."""

from __future__ import annotations

import attrs
import numpy as np

from providers.opus import Encoder, OpusError
from providers.rooms.mumble.voice_packets import SEQUENCE_S, encode_voice
from trioagent.interfaces import FRAME_S, Pcm

_UNITS_PER_FRAME = round(FRAME_S / SEQUENCE_S)
_FRAMES_PER_S = round(1 / FRAME_S)

# The server counts these bytes per packet too: IP 20, UDP 8, encryption 4; and of the
# packet itself: kind 1, sequence number up to 5, length 2.
_OVERHEAD_BPS = (20 + 8 + 4 + 1 + 5 + 2) * 8 * _FRAMES_PER_S
_MIN_BITRATE_BPS = 6_000  # the least that Opus takes


def allowed_bitrate_bps(wanted_bps: int, max_bandwidth_bps: int | None) -> int:
    """Return the bit rate for Opus that keeps within the server's bandwidth.

    The server drops what goes beyond it, without a word.
    """
    if not max_bandwidth_bps:
        return wanted_bps
    return max(_MIN_BITRATE_BPS, min(wanted_bps, max_bandwidth_bps - _OVERHEAD_BPS))


@attrs.define(eq=False)
class Speaking:
    """The agent's voice: one encoder per rate, and the sequence across talk spurts."""

    _bitrate_bps: int = 40_000
    _encoders: dict[int, Encoder] = attrs.Factory(dict)
    _rate_hz: int | None = None
    _sequence: int = 0
    _sent_at: float | None = None
    _open: bool = False

    @property
    def open(self) -> bool:
        """Whether a talk spurt is open: something was said and no end of it."""
        return self._open

    def set_bitrate(self, bitrate_bps: int) -> None:
        """Use this many bits per second, in talk spurts under way too."""
        self._bitrate_bps = bitrate_bps
        for encoder in self._encoders.values():
            encoder.set_bitrate(bitrate_bps)

    def packet(self, frame: Pcm, rate_hz: int, now: float, *, last: bool) -> bytes:
        """Return the voice packet for a frame of `FRAME_S`.

        Raises:
            OpusError: the frame is longer than that, or the rate is not Opus's.
        """
        opus = self._encode(frame, rate_hz)
        self._advance(now)
        packet = encode_voice(self._sequence, opus, last=last)
        self._open = not last
        self._sent_at = now
        return packet

    def end(self, now: float) -> bytes | None:
        """Return the packet that ends the open talk spurt; None if none is open.

        It holds a frame of silence: the encoder goes on from the speech before, so
        that it fades and does not click.
        """
        if not self._open or self._rate_hz is None:
            return None
        silence = np.zeros(self._encoder(self._rate_hz).frame_samples, np.int16)
        return self.packet(silence, self._rate_hz, now, last=True)

    def forget_spurt(self) -> None:
        """Start a new talk spurt with the next frame: the link was lost."""
        self._open = False

    def close(self) -> None:
        """Free the encoders."""
        for encoder in self._encoders.values():
            encoder.close()
        self._encoders.clear()
        self._open = False

    def _advance(self, now: float) -> None:
        if self._sent_at is None:
            return
        units = _UNITS_PER_FRAME
        if not self._open:  # the sequence went on through the pause, as time did
            units = max(units, round((now - self._sent_at) / SEQUENCE_S))
        self._sequence += units

    def _encode(self, frame: Pcm, rate_hz: int) -> bytes:
        encoder = self._encoder(rate_hz)
        missing = encoder.frame_samples - len(frame)
        if missing < 0:
            raise OpusError(f"a frame of {len(frame)}, not {encoder.frame_samples}")
        padded = np.pad(frame, (0, missing)) if missing else frame
        self._rate_hz = rate_hz
        return encoder.encode(padded)

    def _encoder(self, rate_hz: int) -> Encoder:
        if rate_hz not in self._encoders:
            self._encoders[rate_hz] = Encoder(rate_hz, self._bitrate_bps)
        return self._encoders[rate_hz]
