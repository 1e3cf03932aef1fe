"""What a listener heard of one speaker, and the numbers that follow from it.

Nothing in here awaits: packets go in with their arrival times, in order. Speech comes
in talk spurts, which a terminator or a gap ends; a reply is one or more of them. All
times are arrivals here, so the way through the network is part of every number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import numpy as np

from trioagent.calling.utterances import rms
from trioagent.interfaces import HEARING_RATE_HZ, VoicePacket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Pcm

BREAK_S = 0.3
"""Without a packet for longer than this a talk spurt is over, terminator or not."""
AUDIBLE_RMS = 33.0
"""-60 dB of full scale: what Opus makes of silence stays far below."""
FADED = 0.3
"""A packet below this part of the reply's level is faded. Speech goes as low by itself
between words, so one such packet says nothing; a run of them to the end does."""
REACTION_S = 1.0
"""Who kept the level until this long after the interrupting words did not duck."""


@attrs.define(eq=False)
class TalkSpurt:
    """Packets without a break between them; at least one once it is in a log."""

    packets: list[VoicePacket] = attrs.field(factory=list)
    levels: list[float] = attrs.field(factory=list)
    """The packets' loudness, RMS."""
    closed: bool = False
    """Whether its terminator came."""
    last_audible: VoicePacket | None = None

    @property
    def start(self) -> float:
        """When its first packet came, audible or not."""
        return self.packets[0].time

    @property
    def end(self) -> float:
        """When its last packet came, a bare terminator not counted."""
        return self.packets[-1].time

    def sounds_at(self, time: float) -> bool:
        """Whether it is still going on, as far as is known at `time`."""
        return not self.closed and time - self.end <= BREAK_S


@attrs.define(eq=False)
class SpurtLog:
    """Sorts the packets of one speaker into talk spurts."""

    spurts: list[TalkSpurt] = attrs.field(factory=list)

    def add(self, packet: VoicePacket) -> None:
        """Take the next packet. A bare terminator closes a spurt and opens none."""
        spurt = self.spurts[-1] if self.spurts else None
        if spurt is None or not spurt.sounds_at(packet.time):
            if not packet.pcm.size:
                return
            spurt = TalkSpurt()
            self.spurts.append(spurt)
        if packet.pcm.size:
            level = rms(packet.pcm)
            spurt.packets.append(packet)
            spurt.levels.append(level)
            if level >= AUDIBLE_RMS:
                spurt.last_audible = packet
        spurt.closed = spurt.closed or packet.ends_talk

    def forget(self) -> None:
        """Forget all but the last spurt, which may still be going on."""
        del self.spurts[:-1]


def reply_to(
    spurts: Sequence[TalkSpurt], *, starts_after: float, sounds_after: float
) -> list[TalkSpurt]:
    """Return the reply: empty where there is none.

    It begins with the first audible spurt that starts at or after `starts_after` and
    is heard after `sounds_after`, the end of what was said. So a reply that came too
    early and broke off is none, and one that came early and went on is.
    """
    audible = [s for s in spurts if s.last_audible and s.start >= starts_after]
    for i, spurt in enumerate(audible):
        if spurt.last_audible and spurt.last_audible.time > sounds_after:
            return audible[i:]
    return []


def duration_s(reply: Sequence[TalkSpurt]) -> float:
    """Seconds from the first packet to the end of the last audible one."""
    last = reply[-1].last_audible if reply else None
    if last is None:
        return 0.0
    return last.time - reply[0].start + len(last.pcm) / HEARING_RATE_HZ


def sound_of(reply: Sequence[TalkSpurt]) -> Pcm:
    """Return the audio, at `HEARING_RATE_HZ`, with the silence between its spurts.

    Within a spurt the packets follow each other: uneven arrival is not audible.
    """
    pieces: list[Pcm] = []
    heard = 0
    for spurt in reply:
        silence = round((spurt.start - reply[0].start) * HEARING_RATE_HZ) - heard
        pieces.append(np.zeros(max(0, silence), dtype=np.int16))
        pieces += [packet.pcm for packet in spurt.packets]
        heard = sum(map(len, pieces))
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)


@attrs.frozen
class Interruption:
    """How the agent took it, in ms from our first interrupting packet.

    `stop_ms` is its last audible packet before it fell silent: for our words' sake or
    because it was done, that cannot be told from here. `duck_ms` is the first packet
    of the quiet end of the talk spurt that we broke into, never later than its last
    audible packet: there it faded or stopped. None: nothing of the kind was heard.
    """

    duck_ms: float | None = None
    stop_ms: float | None = None


def interruption(
    reply: Sequence[TalkSpurt], first_s: float, last_speech_s: float
) -> Interruption:
    """Measure how `reply` ended, into which we spoke from `first_s` on.

    What starts after `last_speech_s` is taken for an answer to the interrupting
    words; what starts before it is the old reply, going on in spite of them.
    """
    old = [s for s in reply if s.start < last_speech_s and s.last_audible]
    disturbed = [s for s in old if s.end >= first_s]
    if not disturbed:
        return Interruption()
    stops = [s.last_audible.time for s in disturbed if s.last_audible]
    stop_s = max(first_s, stops[-1])
    duck_s = _quiet_from(disturbed[0], first_s, FADED * _level(old, first_s))
    in_time = duck_s <= last_speech_s + REACTION_S
    return Interruption(
        duck_ms=milliseconds(duck_s - first_s) if in_time else None,
        stop_ms=milliseconds(stop_s - first_s),
    )


def milliseconds(seconds: float) -> float:
    """Return milliseconds to a tenth: finer than any clock here can tell."""
    return round(seconds * 1000, 1)


def _level(reply: Sequence[TalkSpurt], until_s: float) -> float:
    """How loud the reply was before `until_s`: the median of its audible packets."""
    heard = [pair for s in reply for pair in zip(s.packets, s.levels, strict=True)]
    audible = [(p.time, level) for p, level in heard if level >= AUDIBLE_RMS]
    before = [level for time, level in audible if time < until_s]
    return float(np.median(before or [level for _, level in audible]))


def _quiet_from(spurt: TalkSpurt, first_s: float, floor: float) -> float:
    """When the spurt went below `floor` for good; else its last audible packet."""
    quiet_s = spurt.end if spurt.last_audible is None else spurt.last_audible.time
    for packet, level in zip(spurt.packets[::-1], spurt.levels[::-1], strict=True):
        if packet.time < first_s or level >= floor:
            break
        quiet_s = min(quiet_s, packet.time)
    return max(first_s, quiet_s)
