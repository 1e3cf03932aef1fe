"""Draws what was heard and what was spoken, with what became of its frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trioagent.interfaces import HEARING_RATE_HZ
from trioagent.pages import colours
from trioagent.pages.sheet import TEXT_PX, Key, Label, Row, Sheet
from trioagent.pages.telling import details
from trioagent.recording.format import Frame, Packet, TalkEnded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.pages.sounds import Track, Tracks
    from trioagent.pages.stories import Story
    from trioagent.recording.recording import Recording

WAVE_PX = 74
FRAMES_PX = 14
# Quieter tracks are not drawn as if they were loud.
LEAST_PEAK = 0.05
# A detector's line ends where nothing came for so long.
BREAK_S = 0.1

# What playback did, and how it looks.
MARKS = {
    "ducked": (colours.WARNING, "dot"),
    "restored": (colours.GOOD, "dot"),
    "interrupted": (colours.BAD, "solid"),
    "underrun": (colours.BAD, "dash"),
}


def draw_heard(sheet: Sheet, recording: Recording, tracks: Tracks) -> None:
    """A waveform for each speaker, with what the detector said of it."""
    for speaker, track in tracks.heard.items():
        row = sheet.row(f"{track.name}\nheard", WAVE_PX, begins=True)
        _wave(sheet, row, track, tracks.bin_s, colours.HEARD, "heard")
        _detector(sheet, row, recording, speaker)


def draw_spoken(
    sheet: Sheet, recording: Recording, tracks: Tracks, turns: Sequence[Story]
) -> None:
    """The waveform of the agent, its frames, and what disturbed them."""
    if not tracks.spoken.stretches:
        return
    frames = sheet.row("frames", FRAMES_PX, begins=True)
    _frames(sheet, frames, recording)
    marked = any(e.event in MARKS for story in turns for e in story.events)
    marks = sheet.row("", TEXT_PX - 4) if marked else frames
    row = sheet.row(f"{tracks.spoken.name}\nspoken", WAVE_PX)
    _wave(sheet, row, tracks.spoken, tracks.bin_s, colours.SPOKEN, "spoken")
    whole = Row(frames.top, row.bottom - frames.top)
    for name, (colour, dash) in MARKS.items():
        found = [(s, e) for s in turns for e in s.events if e.event == name]
        texts = [f"{e.t:.3f} s: {name} {details(name, e.data)}" for _, e in found]
        times = [e.t for _, e in found]
        sheet.ticks(
            whole, times, texts, key="spoken", color=colour, dash=dash, width=1.5
        )
        sheet.labels += [
            Label(t, name, (marks.top - 2,), weight=2, key="spoken", look="note")
            for t in times
        ]


def _wave(
    sheet: Sheet, row: Row, track: Track, bin_s: float, colour: str, key: str
) -> None:
    scale = row.height / 2 / max(track.peak, LEAST_PEAK)
    x: list[float | None] = []
    y: list[float | None] = []
    for times, lowest, highest in track.envelope(bin_s):
        # There along the upper edge, and back along the lower one; silence is a line.
        upper = row.middle - (highest * scale).clip(0.4)
        lower = row.middle - (lowest * scale).clip(max=-0.4)
        x += [*times.round(4).tolist(), *times[::-1].round(4).tolist(), None]
        y += [*upper.round(1).tolist(), *lower[::-1].round(1).tolist(), None]
    sheet.traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "meta": key,
            "x": x,
            "y": y,
            "fill": "toself",
            "fillcolor": colour,
            "line": {"color": colour, "width": 0.6},
            "hoverinfo": "skip",
        }
    )


def _detector(sheet: Sheet, row: Row, recording: Recording, speaker: int) -> None:
    x: list[float | None] = []
    y: list[float | None] = []
    # Several come with one packet; they belong to the samples before it.
    step = recording.header.vad_frame_samples / HEARING_RATE_HZ
    for packet in recording.entries:
        if not isinstance(packet, Packet) or packet.speaker != speaker:
            continue
        for index, probability in enumerate(packet.speech):
            t = packet.t - (len(packet.speech) - 1 - index) * step
            if x and x[-1] is not None and t - x[-1] > BREAK_S:
                x.append(None)
                y.append(None)
            x.append(round(t, 4))
            y.append(round(row.bottom - probability * row.height, 1))
    if not x:
        return
    key = Key("detector", "probability of speech", colours.DETECTOR, "line")
    sheet.key(key)
    sheet.traces.append(
        {
            "type": "scatter",
            "mode": "lines",
            "meta": key.key,
            "x": x,
            "y": y,
            "line": {"color": colours.DETECTOR, "width": 1.2, "shape": "hv"},
            "hoverinfo": "skip",
        }
    )


def _frames(sheet: Sheet, row: Row, recording: Recording) -> None:
    frames = [e for e in recording.entries if isinstance(e, Frame)]
    ends = [e for e in recording.entries if isinstance(e, TalkEnded)]
    rate_hz = recording.header.room_rate_hz
    for last, colour, width in ((False, colours.FRAME, 1), (True, colours.BAD, 2)):
        shown = [f for f in frames if f.last is last]
        what = "frame, the last of its talk spurt" if last else "frame"
        texts = [f"{f.t:.3f} s: {what}, {f.samples / rate_hz * 1000:.0f} ms"
                 for f in shown]  # fmt: skip
        times = [f.t for f in shown]
        sheet.ticks(row, times, texts, key="spoken", color=colour, width=width)
    texts = [f"{e.t:.3f} s: the talk spurt was ended" for e in ends]
    times = [e.t for e in ends]
    sheet.ticks(row, times, texts, key="spoken", color=colours.BAD, width=2)
