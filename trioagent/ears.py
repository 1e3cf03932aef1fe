"""The ears of a room: one for each who is in the channel and listened to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import attrs

from trioagent.config import VadConfig
from trioagent.ear import Ear, EarState, OpenUtterance
from trioagent.interfaces import Speaker, VoiceActivityDetector


@attrs.define(eq=False)
class Ears:
    """By their speakers' ids, in the order in which these came."""

    vad: VoiceActivityDetector
    config: VadConfig
    open_utterance: OpenUtterance
    """Called at each onset with the utterance that begins there."""
    eager: Callable[[], bool]
    """Whether the first sound counts: see `Ear.eager`."""
    remembered: Mapping[int, EarState]
    """What earlier ears knew, by their speakers' ids."""
    _by_speaker: dict[int, Ear] = attrs.field(init=False, factory=dict)
    _dropped: int = attrs.field(init=False, default=0)
    """By those that were closed; so is the peak."""
    _peak: int = attrs.field(init=False, default=0)

    def __iter__(self) -> Iterator[Ear]:
        return iter(self._by_speaker.values())

    def get(self, speaker: int) -> Ear | None:
        """The ear for this speaker, if there is one."""
        return self._by_speaker.get(speaker)

    def of(self, speaker: Speaker) -> Ear:
        """The ear for this speaker; made if there is none."""
        ear = self._by_speaker.get(speaker.id)
        if ear is None:
            ear = self._by_speaker[speaker.id] = Ear(
                speaker,
                self.config,
                self.open_utterance,
                self.eager,
                remembered=self.remembered.get(speaker.id, EarState()),
                vad=self.vad.stream(),
            )
        return ear

    def close(self, speaker: int) -> None:
        """Nobody listens to this speaker any more; an open utterance ends."""
        if (ear := self._by_speaker.pop(speaker, None)) is not None:
            ear.close()
            self._dropped += ear.dropped
            self._peak = max(self._peak, ear.peak)

    @property
    def states(self) -> dict[int, EarState]:
        """What they know now, by their speakers' ids."""
        return {speaker: ear.state for speaker, ear in self._by_speaker.items()}

    @property
    def dropped(self) -> int:
        """Packets that no listener took in time, also of ears that are closed."""
        return self._dropped + sum(ear.dropped for ear in self)

    @property
    def peak(self) -> int:
        """The most packets that ever waited for a listener."""
        return max([self._peak, *(ear.peak for ear in self)])
