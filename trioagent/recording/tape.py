"""Cuts what goes on in a room into recordings.

A recording begins when a turn opens while none runs, and ends when none runs any more:
turns that overlap cannot be run apart. Nothing in here waits or touches a file.
"""

from __future__ import annotations

import logging
from collections import deque
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.agent import Agent
from trioagent.ear import FORGET_AFTER_S, EarState
from trioagent.interfaces import (
    LinkLost,
    LinkRestored,
    Pcm,
    RoomEvent,
    Speaker,
    SpeakerJoined,
    SpeakerLeft,
    VoicePacket,
)
from trioagent.memory import Memory
from trioagent.recording import format as f
from trioagent.recording.take import Take

if TYPE_CHECKING:
    from trioagent.journal.events import Event, TurnJournal


# A packet may have waited for us for some time when its ear hears it.
LATELY_S = FORGET_AFTER_S + 1.0
# So many recordings may wait for a disk that takes nothing.
MOST_TAKES = 16

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class _Heard:
    """A packet that the agent works on now."""

    packet: VoicePacket
    taken: float
    before: EarState
    """What the ear knew before."""
    speech: list[float] = attrs.Factory(list)

    def noted(self) -> f.Packet:
        """As an entry."""
        packet = self.packet
        return f.Packet(
            self.taken,
            packet.speaker.id,
            len(packet.pcm),
            packet.ends_talk,
            None if packet.time == self.taken else packet.time,
            tuple(self.speech),
        )


@attrs.define(eq=False)
class RoomTape:
    """A `trioagent.recording.noting.Tape`, and an observer of the turns' journals.

    Attributes:
        agent: Whose turns they are; asked what it remembers when a take begins.
        takes: What is not all written yet, oldest first; who writes takes them out.
        news: Set when there is somebody who may not know of the recording.
        untold: Who that is; None is everybody.
    """

    agent: Agent | None = None
    takes: deque[Take] = attrs.Factory(deque)
    news: trio.Event = attrs.Factory(trio.Event)
    untold: dict[int, Speaker] | None = attrs.Factory(dict)
    _take: Take | None = None
    _numbers: int = 0
    _present: dict[int, Speaker] = attrs.Factory(dict)
    _heard: _Heard | None = None

    # --- what goes through the taps ----------------------------------------------

    def number(self) -> int:
        """One that no call had before."""
        self._numbers += 1
        return self._numbers

    def note(self, entry: f.Entry, stem: str = "", pcm: Pcm | None = None) -> None:
        """Note it, if a turn runs."""
        if self._take is not None:
            self._note_heard()
            self._take.add(entry, stem, pcm)

    def room_event(self, event: RoomEvent) -> None:
        """The agent takes this from the room."""
        self._note_heard()
        now = trio.current_time()
        match event:
            case VoicePacket():
                self._packet(event, now)
            case SpeakerJoined(speaker):
                self._joined(speaker, now)
            case SpeakerLeft(speaker):
                self._left(speaker, now)
            case LinkLost(reason):
                self.note(f.Lost(now, reason))
            case LinkRestored():
                self._tell(None)
                self.note(f.Restored(now))

    def _joined(self, speaker: Speaker, now: float) -> None:
        if self.agent is not None and not self.agent.admits(speaker):
            # Not even the name is kept; and they may have been admitted until now.
            self._left(speaker, now)
            return
        if speaker.id not in self._present:
            self._tell(speaker)
        self._present[speaker.id] = speaker
        self.note(f.Joined(now, _person(speaker)))

    def _left(self, speaker: Speaker, now: float) -> None:
        if self._present.pop(speaker.id, None) is not None:
            self.note(f.Left(now, speaker.id))
        if self.untold:
            self.untold.pop(speaker.id, None)

    def _tell(self, speaker: Speaker | None) -> None:
        """Somebody, or maybe everybody, does not know of the recording."""
        if speaker is None:
            self.untold = None
        elif self.untold is not None:
            self.untold[speaker.id] = speaker
        self.news.set()

    def _packet(self, packet: VoicePacket, now: float) -> None:
        agent, speaker = self.agent, packet.speaker
        if agent is not None and not agent.hears(speaker):
            return
        if speaker.id not in self._present:
            # On its way when its speaker left, say.
            self._present[speaker.id] = speaker
            self.note(f.Joined(now, _person(speaker)))
        before = EarState() if agent is None else agent.ear_state(speaker.id)
        self._heard = _Heard(packet, now, before)

    def probability(self, value: float) -> None:
        """The detector said this of the packet that was taken last."""
        if self._heard is not None:
            self._heard.speech.append(value)

    # --- what turns tell ---------------------------------------------------------

    def __call__(self, journal: TurnJournal, event: Event) -> None:
        """Note it; a turn's first event may begin a take, its last one end it."""
        if self._take is None and event.name == "speech_started":
            self._begin(journal)
        take = self._take
        if take is None:
            return
        take.running.add(journal.number)
        now = journal.started + event.t
        self.note(f.Happened(now, journal.number, event.name, dict(event.data)))
        if event.name == "outcome":
            take.running.discard(journal.number)
            if not take.running:
                self.note(f.Ended(now))
                take.over, self._take = True, None

    def _begin(self, journal: TurnJournal) -> None:
        agent, heard = self.agent, self._heard
        # Older ones forget what they know at the next packet: it is not written down.
        lately = journal.started - LATELY_S
        states = agent.ear_states() if agent else {}
        ears = {who: ear for who, ear in states.items() if ear.last_packet > lately}
        if heard is not None:
            # This one's ear is at work on the packet with which the take begins.
            ears[heard.packet.speaker.id] = heard.before
        # The turn that begins is counted already.
        memory = attrs.evolve(
            agent.memory if agent else Memory(), turns=journal.number - 1
        )
        people = tuple(map(_person, self._present.values()))
        self._take = Take(
            journal.started, journal.label, journal.speaker, memory, people, ears
        )
        self._take.heard.update(
            (who, _person(self._present[who]))
            for who, ear in ears.items()
            if ear.pre_roll and who in self._present
        )
        if len(self.takes) >= MOST_TAKES:
            log.warning(
                "turn %d is not recorded: the disk takes too long", journal.number
            )
            self._take.forget()
        else:
            self.takes.append(self._take)

    def _note_heard(self) -> None:
        """All is known of the packet that was taken last: note it."""
        heard, self._heard = self._heard, None
        if heard is not None and self._take is not None:
            speaker = heard.packet.speaker
            self._take.heard[speaker.id] = _person(speaker)
            self._take.add(heard.noted(), f.heard_by(speaker.id), heard.packet.pcm)


def _person(speaker: Speaker) -> f.Person:
    return f.Person(speaker.id, speaker.name, speaker.agent, speaker.certificate)
