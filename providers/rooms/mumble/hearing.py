"""What others say: their packets in order, decoded. Nothing in here awaits."""

from __future__ import annotations

import math
from collections import Counter

import attrs
import numpy as np

from providers.opus import Decoder, OpusError, packet_s
from providers.rooms.mumble.reorder import Lost, Packet, Reorder
from providers.rooms.mumble.voice_packets import SEQUENCE_S, VoiceIn
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speaker, VoicePacket

MAX_AHEAD_S = 5.0
"""So much more than time has passed may come of one speaker: a stall's worth."""

_FASTEST = 1.25
"""Of real time; sound cards' clocks differ by a thousandth, not by a quarter."""

MAX_DECODERS = 128
"""Of 22 kB each. Whoever was silent for longest gets a new one when they speak."""

COUNTED = ("late", "elsewhere", "undecodable", "flooding", "filled_in")
"""What `Hearing.counts` counts: all but the last are dropped packets."""

_NOTHING: Pcm = np.zeros(0, np.int16)


@attrs.define
class Pace:
    """Lets through what one voice can say; a flood takes everybody's time."""

    _ahead_s: float = 0.0
    _at: float = 0.0

    def allows(self, span_s: float, now: float) -> bool:
        """Whether `span_s` of speech may come now; if so, it has."""
        ahead_s = max(0.0, self._ahead_s - (now - self._at) * _FASTEST)
        self._at = now
        fits = ahead_s < MAX_AHEAD_S
        self._ahead_s = ahead_s + span_s if fits else ahead_s
        return fits


@attrs.define(eq=False)
class _Ear:
    speaker: Speaker
    order: Reorder = attrs.Factory(Reorder)
    pace: Pace = attrs.Factory(Pace)
    decoder: Decoder | None = None

    def close(self) -> None:
        if self.decoder is not None:
            self.decoder.close()
            self.decoder = None


@attrs.define(eq=False)
class Hearing:
    """One ear per speaker of our channel; nobody else is heard.

    Voices of other channels, linked or whispering, are left out: the agent's answer
    would not reach them. `counts` has what was dropped, by the reason.
    """

    counts: Counter[str] = attrs.Factory(lambda: Counter(dict.fromkeys(COUNTED, 0)))
    _ears: dict[int, _Ear] = attrs.Factory(dict)
    # Ears that hold packets back, and those with a decoder, longest silent first.
    _holding: dict[int, _Ear] = attrs.Factory(dict)
    _decoding: dict[int, _Ear] = attrs.Factory(dict)

    @property
    def speakers(self) -> dict[int, Speaker]:
        """Who is heard, by session."""
        return {session: ear.speaker for session, ear in self._ears.items()}

    @property
    def undecodable(self) -> int:
        """How many packets were no Opus."""
        return self.counts["undecodable"]

    @property
    def dropped(self) -> int:
        """How many packets came too late or twice."""
        return self.counts["late"]

    def speaker(self, session: int) -> Speaker | None:
        """Who is heard under this session."""
        ear = self._ears.get(session)
        return None if ear is None else ear.speaker

    def joined(self, speaker: Speaker) -> None:
        """Hear `speaker` from now on."""
        self._ears[speaker.id] = _Ear(speaker)

    def left(self, speaker: Speaker) -> None:
        """Forget `speaker`."""
        ear = self._ears.pop(speaker.id, None)
        self._holding.pop(speaker.id, None)
        self._decoding.pop(speaker.id, None)
        if ear is not None:
            ear.close()

    def close(self) -> None:
        """Free the decoders; `speakers` still says who was heard last."""
        for ear in self._ears.values():
            ear.close()

    def take(self, voice: VoiceIn, now: float, *, in_order: bool) -> list[VoicePacket]:
        """Take a packet; return what can be heard now, in order of speech."""
        ear = self._ears.get(voice.session)
        if ear is None:
            self.counts["elsewhere"] += 1
            return []
        try:
            span_s = packet_s(voice.opus) if voice.opus else 0.0
        except OpusError:
            self.counts["undecodable"] += 1
            return []
        if not ear.pace.allows(max(span_s, SEQUENCE_S), now):
            self.counts["flooding"] += 1
            return []
        span = round(span_s / SEQUENCE_S)
        packet = Packet(voice.sequence, span, voice.opus, voice.last, now)
        dropped = ear.order.dropped
        ready = ear.order.push(packet, in_order=in_order)
        self._note_order(ear, dropped)
        return self._decoded(ear, ready)

    def deadline(self) -> float:
        """When to call `release`; infinity while no packet is held back."""
        return min(
            (ear.order.deadline() for ear in self._holding.values()), default=math.inf
        )

    def release(self, now: float) -> list[VoicePacket]:
        """Return what has waited long enough for the packets before it."""
        heard = []
        for ear in tuple(self._holding.values()):
            dropped = ear.order.dropped
            ready = ear.order.release(now)
            self._note_order(ear, dropped)
            heard += self._decoded(ear, ready)
        return heard

    def _note_order(self, ear: _Ear, dropped: int) -> None:
        self.counts["late"] += ear.order.dropped - dropped
        if ear.order.deadline() < math.inf:
            self._holding[ear.speaker.id] = ear
        else:
            self._holding.pop(ear.speaker.id, None)

    def _decoded(self, ear: _Ear, ready: list[Packet | Lost]) -> list[VoicePacket]:
        heard = []
        for piece in ready:
            last = isinstance(piece, Packet) and piece.last
            try:
                pcm = self._decode(ear, piece)
            except OpusError:
                self.counts["undecodable"] += 1
                if not last:
                    continue
                pcm = _NOTHING
            heard.append(VoicePacket(ear.speaker, pcm, last, piece.arrived))
        return heard

    def _decode(self, ear: _Ear, piece: Packet | Lost) -> Pcm:
        if isinstance(piece, Packet) and not piece.opus:
            return _NOTHING
        decoder = self._decoder(ear)
        if isinstance(piece, Lost):
            self.counts["filled_in"] += 1
            return decoder.decode(None, piece.duration_s)
        return decoder.decode(piece.opus)

    def _decoder(self, ear: _Ear) -> Decoder:
        session = ear.speaker.id
        self._decoding.pop(session, None)
        if ear.decoder is None:
            if len(self._decoding) >= MAX_DECODERS:
                longest_silent = next(iter(self._decoding))
                self._decoding.pop(longest_silent).close()
            ear.decoder = Decoder(HEARING_RATE_HZ)
        self._decoding[session] = ear
        return ear.decoder
