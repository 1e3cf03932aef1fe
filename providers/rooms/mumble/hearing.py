"""What others say: their packets in order, decoded. Nothing in here awaits."""

from __future__ import annotations

import math

import attrs
import numpy as np

from providers.opus import Decoder, OpusError, packet_s
from providers.rooms.mumble.reorder import Lost, Packet, Reorder
from providers.rooms.mumble.voice_packets import SEQUENCE_S, VoiceIn
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speaker, VoicePacket

_NOTHING: Pcm = np.zeros(0, np.int16)


@attrs.define(eq=False)
class _Ear:
    speaker: Speaker
    order: Reorder = attrs.Factory(Reorder)
    decoder: Decoder = attrs.Factory(lambda: Decoder(HEARING_RATE_HZ))


@attrs.define(eq=False)
class Hearing:
    """One ear per speaker of our channel; nobody else is heard.

    Voices of other channels, linked or whispering, are left out: the agent's answer
    would not reach them. `undecodable` counts packets that were no Opus.
    """

    undecodable: int = 0
    _ears: dict[int, _Ear] = attrs.Factory(dict)

    @property
    def speakers(self) -> dict[int, Speaker]:
        """Who is heard, by session."""
        return {session: ear.speaker for session, ear in self._ears.items()}

    @property
    def dropped(self) -> int:
        """How many packets of those here now came too late or twice."""
        return sum(ear.order.dropped for ear in self._ears.values())

    def joined(self, speaker: Speaker) -> None:
        """Hear `speaker` from now on."""
        self._ears[speaker.id] = _Ear(speaker)

    def left(self, speaker: Speaker) -> None:
        """Forget `speaker`."""
        ear = self._ears.pop(speaker.id, None)
        if ear is not None:
            ear.decoder.close()

    def close(self) -> None:
        """Free the decoders; `speakers` still says who was heard last."""
        for ear in self._ears.values():
            ear.decoder.close()

    def take(self, voice: VoiceIn, now: float, *, in_order: bool) -> list[VoicePacket]:
        """Take a packet; return what can be heard now, in order of speech."""
        ear = self._ears.get(voice.session)
        if ear is None:
            return []
        try:
            span_s = packet_s(voice.opus) if voice.opus else 0.0
        except OpusError:
            self.undecodable += 1
            return []
        span = round(span_s / SEQUENCE_S)
        packet = Packet(voice.sequence, span, voice.opus, voice.last, now)
        ready = ear.order.push(packet, in_order=in_order)
        return self._decoded(ear, ready)

    def deadline(self) -> float:
        """When to call `release`; infinity while no packet is held back."""
        return min(
            (ear.order.deadline() for ear in self._ears.values()), default=math.inf
        )

    def release(self, now: float) -> list[VoicePacket]:
        """Return what has waited long enough for the packets before it."""
        return [
            heard
            for ear in self._ears.values()
            for heard in self._decoded(ear, ear.order.release(now))
        ]

    def _decoded(self, ear: _Ear, ready: list[Packet | Lost]) -> list[VoicePacket]:
        heard = []
        for piece in ready:
            last = isinstance(piece, Packet) and piece.last
            try:
                pcm = _decode(ear.decoder, piece)
            except OpusError:
                self.undecodable += 1
                if not last:
                    continue
                pcm = _NOTHING
            heard.append(VoicePacket(ear.speaker, pcm, last, piece.arrived))
        return heard


def _decode(decoder: Decoder, piece: Packet | Lost) -> Pcm:
    if isinstance(piece, Lost):
        return decoder.decode(None, piece.duration_s)
    return decoder.decode(piece.opus) if piece.opus else _NOTHING
