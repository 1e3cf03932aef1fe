"""One speaker's ear: voice activity, pre-roll, and when an utterance begins.

It has no task. Packets come in with `hear`; from an onset on they go into a channel,
until whoever listens has heard enough and closes its end.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable

import attrs
import numpy as np
import trio

from trioagent.config import VadConfig
from trioagent.decisions.speech_gate import SpeechGate
from trioagent.interfaces import HEARING_RATE_HZ, Pcm, Speaker, VadStream, VoicePacket

# The detector forgets after such a gap: what follows is another scene.
FORGET_AFTER_S = 0.2
# A listener takes packets at once; this many (5 s) can only pile up behind a stall.
UTTERANCE_PACKETS = 256
# The longest pre-roll in the shortest packets; empty ones must not pile up.
PRE_ROLL_PACKETS = 512


@attrs.frozen(eq=False)
class HeardAudio:
    """A packet of an utterance, and whether it holds speech."""

    pcm: Pcm
    speech: bool
    ends_talk: bool
    time: float
    dropped: int = 0
    """How many packets just before it found no room."""


@attrs.frozen(eq=False)
class EarState:
    """What an ear knows between two packets, while no turn listens to its speaker."""

    last_packet: float = -math.inf
    """When it came."""
    left_over: int = 0
    """How many samples wait until the detector's frame is full."""
    speaking: bool = False
    """What the detector said last."""
    run_s: float = 0.0
    """How long the detector has heard speech without a break."""
    listened: bool = False
    """Whether an utterance was open whose listener has heard enough meanwhile."""
    pre_roll: tuple[HeardAudio, ...] = ()


Utterance = trio.MemoryReceiveChannel[HeardAudio]
OpenUtterance = Callable[[Speaker, Utterance], None]


@attrs.define(eq=False)
class Ear:
    """Listens to one speaker for as long as they are in the channel."""

    speaker: Speaker
    config: VadConfig
    open_utterance: OpenUtterance
    """Called at each onset with the utterance that begins there."""
    eager: Callable[[], bool] = lambda: False
    """Whether the first sound counts: somebody is being answered, and must not be
    talked over until it is clear what this is."""
    dropped: int = 0
    """Packets that no listener took in time."""
    remembered: EarState = attrs.Factory(EarState)
    """What an earlier ear of the speaker knew; this one goes on from there."""
    _vad: VadStream = attrs.field(kw_only=True)
    _gate: SpeechGate = attrs.field(init=False)
    _rest: Pcm = attrs.field(init=False)
    _pre_roll: deque[HeardAudio] = attrs.Factory(lambda: deque(maxlen=PRE_ROLL_PACKETS))
    _utterance: trio.MemorySendChannel[HeardAudio] | None = None
    _lost: int = 0
    """Packets dropped since one got through."""
    _last_packet: float = -math.inf

    def __attrs_post_init__(self) -> None:
        config, before = self.config, self.remembered
        self._gate = SpeechGate(
            config.start_probability,
            config.stop_probability,
            config.min_speech_ms / 1000,
            before.speaking,
            before.run_s,
        )
        # What they were mattered to the detector alone.
        self._rest = np.zeros(before.left_over, np.int16)
        self._last_packet = before.last_packet
        self._pre_roll.extend(before.pre_roll)
        if before.listened:
            self._utterance, listener = trio.open_memory_channel[HeardAudio](0)
            listener.close()

    @property
    def state(self) -> EarState:
        """What it knows now."""
        return EarState(
            self._last_packet,
            len(self._rest),
            self._gate.speaking,
            self._gate.run_s,
            self._utterance is not None,
            tuple(self._pre_roll),
        )

    def hear(self, packet: VoicePacket) -> None:
        """Take the next packet of this speaker."""
        if packet.time - self._last_packet > FORGET_AFTER_S:
            self._forget()
        self._last_packet = packet.time
        spoke_before = self._gate.speaking
        speech = self._detect(packet.pcm)
        audio = HeardAudio(packet.pcm, speech, packet.ends_talk, packet.time)
        if self._utterance is not None:
            if self._pass_on(self._utterance, audio):
                return
            if spoke_before:
                # A new utterance needs a new onset, not the rest of this one.
                self._gate.reset()
        self._keep(audio)
        if self._gate.onset or (self._gate.speaking and self.eager()):
            self._begin()

    def close(self) -> None:
        """The speaker left: an open utterance ends here."""
        if self._utterance is not None:
            self._utterance.close()
            self._utterance = None
            self._lost = 0

    def _detect(self, pcm: Pcm) -> bool:
        """Whether there is speech at the end of `pcm`."""
        size = self._vad.frame_samples
        pending = np.concatenate([self._rest, pcm])
        whole = len(pending) - len(pending) % size
        for start in range(0, whole, size):
            probability = self._vad.probability(pending[start : start + size])
            self._gate.update(probability, size / HEARING_RATE_HZ)
        self._rest = pending[whole:]
        return self._gate.speaking

    def _pass_on(
        self, utterance: trio.MemorySendChannel[HeardAudio], audio: HeardAudio
    ) -> bool:
        """Give it to the listener; False if that one has heard enough."""
        try:
            utterance.send_nowait(attrs.evolve(audio, dropped=self._lost))
        except trio.WouldBlock:
            self.dropped += 1
            self._lost += 1
        except trio.BrokenResourceError:
            self.close()
            return False
        else:
            self._lost = 0
        return True

    def _keep(self, audio: HeardAudio) -> None:
        self._pre_roll.append(audio)
        kept_s = (self.config.pre_roll_ms + self.config.min_speech_ms) / 1000
        while self._pre_roll_s() - self._length_s(self._pre_roll[0]) >= kept_s:
            self._pre_roll.popleft()

    def _begin(self) -> None:
        size = len(self._pre_roll) + UTTERANCE_PACKETS
        send, receive = trio.open_memory_channel[HeardAudio](size)
        for audio in self._pre_roll:
            send.send_nowait(audio)
        self._pre_roll.clear()
        self._utterance = send
        self.open_utterance(self.speaker, receive)

    def _forget(self) -> None:
        self._vad.reset()
        self._gate.reset()
        self._rest = self._rest[:0]
        self._pre_roll.clear()

    def _pre_roll_s(self) -> float:
        return sum(map(self._length_s, self._pre_roll))

    @staticmethod
    def _length_s(audio: HeardAudio) -> float:
        return len(audio.pcm) / HEARING_RATE_HZ
