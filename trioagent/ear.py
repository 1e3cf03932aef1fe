"""One speaker's ear: voice activity, pre-roll, and when an utterance begins.

It has no task. Packets come in with `hear`; from an onset on they go into an utterance,
until whoever listens has heard enough and closes it.
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
from trioagent.utterances import HeardAudio, Utterance

# The detector forgets after such a gap: what follows is another scene.
FORGET_AFTER_S = 0.2
# A listener takes packets at once; this many (5 s) can only pile up behind a stall, or
# while the recognizer still works on the utterance before.
UTTERANCE_PACKETS = 256
# The longest pre-roll in the shortest packets; empty ones must not pile up.
PRE_ROLL_PACKETS = 512


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
    _pre_roll: deque[HeardAudio] = attrs.Factory(deque)
    _pre_roll_samples: int = 0
    _utterance: Utterance | None = None
    peak: int = 0
    """The most packets that ever waited for a listener."""
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
        for audio in before.pre_roll:
            self._pre_roll.append(audio)
            self._pre_roll_samples += len(audio.pcm)
        if before.listened:
            self._utterance = Utterance(0, closed=True)

    @property
    def talking(self) -> bool:
        """Whether its speaker is talking now."""
        silent_s = trio.current_time() - self._last_packet
        return self._gate.speaking and silent_s < FORGET_AFTER_S

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

    def hear(self, packet: VoicePacket, late_s: float = 0.0) -> None:
        """Take the next packet of this speaker, which waited for `late_s`."""
        if packet.time - self._last_packet > FORGET_AFTER_S:
            self._forget()
        self._last_packet = packet.time
        spoke_before = self._gate.speaking
        speech = self._detect(packet.pcm)
        ends_talk, time = packet.ends_talk, packet.time
        audio = HeardAudio(packet.pcm, speech, ends_talk, time, late_s=late_s)
        if (utterance := self._utterance) is not None:
            if not utterance.closed:
                self.dropped += utterance.put(audio)
                self.peak = max(self.peak, utterance.peak)
                return
            self._utterance = None
            if spoke_before:
                # A new utterance needs a new onset, not the rest of this one.
                self._gate.reset()
        self._keep(audio)
        if self._gate.onset or (self._gate.speaking and self.eager()):
            self._begin()

    def close(self) -> None:
        """The speaker left: an open utterance ends here."""
        if self._utterance is not None:
            self._utterance.leave()
            self._utterance = None

    def _detect(self, pcm: Pcm) -> bool:
        """Whether there is speech at the end of `pcm`."""
        size = self._vad.frame_samples
        pending = np.concatenate([self._rest, pcm]) if len(self._rest) else pcm
        whole = len(pending) - len(pending) % size
        for start in range(0, whole, size):
            probability = self._vad.probability(pending[start : start + size])
            self._gate.update(probability, size / HEARING_RATE_HZ)
        self._rest = pending[whole:]
        return self._gate.speaking

    def _keep(self, audio: HeardAudio) -> None:
        config, kept = self.config, self._pre_roll
        kept.append(audio)
        self._pre_roll_samples += len(audio.pcm)
        enough_ms = config.pre_roll_ms + config.min_speech_ms
        enough = enough_ms * HEARING_RATE_HZ / 1000
        while (
            len(kept) > PRE_ROLL_PACKETS
            or self._pre_roll_samples - len(kept[0].pcm) >= enough
        ):
            self._pre_roll_samples -= len(kept.popleft().pcm)

    def _begin(self) -> None:
        self._utterance = Utterance(len(self._pre_roll) + UTTERANCE_PACKETS)
        for audio in self._pre_roll:
            self._utterance.put(audio)
        self._keep_nothing()
        self.open_utterance(self.speaker, self._utterance)

    def _forget(self) -> None:
        self._vad.reset()
        self._gate.reset()
        self._rest = self._rest[:0]
        self._keep_nothing()

    def _keep_nothing(self) -> None:
        self._pre_roll.clear()
        self._pre_roll_samples = 0
