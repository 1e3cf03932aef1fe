"""Reads the timelines of a recording's speakers out of its entries.

What the recognizer had been fed with is what had come from the room by then: so audio
is never compared, and silence fed in pauses counts for nothing.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

import attrs

from trioagent.config import VadConfig
from trioagent.decisions.speech_gate import SpeechGate
from trioagent.interfaces import HEARING_RATE_HZ
from trioagent.recording import format as f
from trioagent.replay.what_if.timeline import FLUSH_SAMPLES, Step, Stream, Timeline

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from trioagent.recording.recording import Recording

# Between two packets of one talk spurt there is less.
SPURT_GAP_S = 0.1


def timelines(recording: Recording) -> dict[str, Timeline]:
    """One for each speaker, by name: turns know their speakers by name."""
    names = _names(recording)
    packets: dict[str, list[f.Packet]] = defaultdict(list)
    for ear in recording.header.ears:
        for kept in ear.pre_roll:
            speech = (float(kept.speech),)
            packet = f.Packet(
                kept.t, ear.speaker, kept.samples, kept.ends_talk, None, speech
            )
            packets[names.get(ear.speaker, f"#{ear.speaker}")].append(packet)
    for entry in recording.entries:
        if isinstance(entry, f.Packet):
            packets[names.get(entry.speaker, f"#{entry.speaker}")].append(entry)
    heard = {name: _heard(recording, of_one) for name, of_one in packets.items()}
    return _with_streams(recording, heard)


def _names(recording: Recording) -> dict[int, str]:
    people = list(recording.header.present)
    people += [e.person for e in recording.entries if isinstance(e, f.Joined)]
    return {person.id: person.name for person in people}


def _heard(recording: Recording, packets: Iterable[f.Packet]) -> Timeline:
    vad = recording.header.config.get("vad", {})
    gate = SpeechGate(
        vad.get("start_probability", VadConfig().start_probability),
        vad.get("stop_probability", VadConfig().stop_probability),
        0.0,
    )
    frame_s = recording.header.vad_frame_samples / HEARING_RATE_HZ
    times: list[float] = []
    ends: list[int] = []
    onsets: list[int] = []
    position, connected = 0, False
    for packet in packets:
        spoke = gate.speaking
        for probability in packet.speech:
            gate.update(probability, frame_s)
        late = bool(times) and packet.t - times[-1] > SPURT_GAP_S
        if late or not connected or (gate.speaking and not spoke):
            onsets.append(position)
        position += packet.samples
        connected = not packet.ends_talk
        times.append(packet.t)
        ends.append(position)
    return Timeline(tuple(times), tuple(ends), tuple(onsets))


# --- the recognizer's streams ----------------------------------------------------


@attrs.define
class _Reading:
    """A stream, as far as the entries have been read."""

    timeline: Timeline
    turn: int
    start: int
    position: int
    steps: list[Step] = attrs.Factory(list)
    opened_in_s: float = 0.0
    ended: tuple[int, int] | None = None
    """Where its utterance and the speech in it ended."""
    finished: f.Finished | None = None
    failed: f.StreamFailed | None = None

    def fed(self, entry: f.Fed) -> None:
        """What came after the utterance's end is not for this one."""
        position = self.timeline.position(entry.asked)
        if self.ended is not None:
            position = min(position, self.ended[0])
        if not self.steps:
            self.start = position - entry.samples
        silence = entry.samples - (position - self.position)
        flushed = bool(self.steps) and silence > FLUSH_SAMPLES // 2
        took_s = entry.t - entry.asked
        self.steps.append(Step(position, entry.text, took_s, flushed))
        self.position = position

    def stream(self) -> Stream:
        """All that was read."""
        end, speech_end = self.ended or (self.position, None)
        return Stream(
            self.start,
            end,
            tuple(self.steps),
            speech_end,
            self.finished.text if self.finished else None,
            self.timeline.position(self.failed.asked) if self.failed else None,
            self.failed,
        )


def _with_streams(
    recording: Recording, heard: dict[str, Timeline]
) -> dict[str, Timeline]:
    read: dict[str, list[_Reading]] = defaultdict(list)
    for name, reading in _readings(recording, heard):
        read[name].append(reading)
    return {
        name: attrs.evolve(
            timeline,
            streams=tuple(r.stream() for r in read[name]),
            opening_s=_median(r.opened_in_s for r in read[name]),
            feeding_s=_median(s.took_s for r in read[name] for s in r.steps),
            finishing_s=_median(
                r.finished.t - r.finished.asked for r in read[name] if r.finished
            ),
        )
        for name, timeline in heard.items()
    }


def _readings(
    recording: Recording, heard: dict[str, Timeline]
) -> Iterator[tuple[str, _Reading]]:
    speakers: dict[int, str] = {}
    began: dict[int, float] = {}
    streams: dict[int, _Reading] = {}
    for entry in recording.entries:
        match entry:
            case f.Happened(t, turn, event, data):
                began.setdefault(turn, t)
                if event == "speech_started":
                    speakers[turn] = data["speaker"]
                elif event == "speech_ended":
                    _end(streams, turn, t, began[turn] + data["last_speech"])
            case f.StreamOpened(t, number, turn, asked, error):
                timeline = heard.get(speakers.get(turn, ""), Timeline())
                at = timeline.position(asked)
                reading = _Reading(timeline, turn, at, at, opened_in_s=t - asked)
                if error:
                    reading.failed = f.StreamFailed(
                        t, number, asked, 0, "failed", error
                    )
                streams[number] = reading
                yield speakers.get(turn, ""), reading
            case f.Fed():
                streams[entry.stream].fed(entry)
            case f.Finished():
                streams[entry.stream].finished = entry
            case f.StreamFailed():
                streams[entry.stream].failed = entry


def _end(
    streams: dict[int, _Reading], turn: int, ended: float, last_speech: float
) -> None:
    """The turn's newest stream was heard out."""
    of_turn = [stream for stream in streams.values() if stream.turn == turn]
    if of_turn and of_turn[-1].ended is None:
        timeline = of_turn[-1].timeline
        places = timeline.position(ended), timeline.position(last_speech)
        of_turn[-1].ended = places


def _median(values: Iterable[float]) -> float:
    found = list(values)
    return median(found) if found else 0.0
