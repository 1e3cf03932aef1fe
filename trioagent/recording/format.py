"""What a recording consists of: docs/recordings.md, as values.

A recording is a folder. `turn.jsonl` holds a `Header` and then entries in the order in
which they happened, one JSON object a line, with the kind of entry in "what". The audio
lies beside it, without gaps; the entries say which samples came when.

Times are seconds since the recording's first turn began. What came before has negative
times.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs

VERSION = 2
"""Of the format. A reader refuses what is newer than itself."""

TURN_FILE = "turn.jsonl"
SYNTHESIZED = "synthesized"
"""Stem of the synthesizer's audio, at its own rate."""
SPOKEN = "spoken"
"""Stem of the frames written to the room, at the room's rate."""


def heard_by(speaker: int) -> str:
    """Stem of what this speaker said, at `HEARING_RATE_HZ`."""
    return f"heard-{speaker}"


@attrs.frozen
class Person:
    """Somebody in the room, as `trioagent.interfaces.Speaker`."""

    id: int
    name: str
    agent: bool = False
    certificate: str = ""


@attrs.frozen
class Kept:
    """A packet of the pre-roll; its audio comes first in the speaker's file."""

    t: float
    samples: int
    speech: bool = False
    ends_talk: bool = False


@attrs.frozen
class Ear:
    """What a speaker's ear still knew when the recording began.

    As `trioagent.ear.EarState`.
    """

    speaker: int
    last_packet: float | None = None
    left_over: int = 0
    speaking: bool = False
    run_s: float = 0.0
    listened: bool = False
    pre_roll: tuple[Kept, ...] = ()


@attrs.frozen
class Header:
    """The first line: what has to be known to run the recording again."""

    recording: int
    """The format's version."""
    program: str
    """The version of trioagent that recorded it."""
    label: str
    """The wall clock at the beginning, for people."""
    agent: str
    """The agent's name in the room."""
    config: dict[str, Any]
    """The configuration as tables, without secrets."""
    providers: dict[str, str]
    """What listened, thought and spoke: kind → name, for people."""
    vad_frame_samples: int
    synthesizer_rate_hz: int
    room_rate_hz: int
    memory: dict[str, Any]
    """What the agent remembered when the first turn began: `trioagent.memory`."""
    present: tuple[Person, ...]
    ears: tuple[Ear, ...]


# --- what came from the room -----------------------------------------------------


@attrs.frozen
class Packet:
    """A packet of speech was taken from the room."""

    t: float
    speaker: int
    samples: int
    ends_talk: bool = False
    arrived: float | None = None
    """When the room got it, if not at `t`."""
    speech: tuple[float, ...] = ()
    """The detector's probabilities that were computed as it was heard."""


@attrs.frozen
class Joined:
    """Somebody joined, or changed."""

    t: float
    person: Person


@attrs.frozen
class Left:
    """Somebody left."""

    t: float
    speaker: int


@attrs.frozen
class Lost:
    """The link to the room was lost."""

    t: float
    reason: str


@attrs.frozen
class Restored:
    """The link to the room came back."""

    t: float


# --- what providers were asked and gave ------------------------------------------

How = Literal["done", "failed", "crashed"]
"""It failed with a `ProviderError`, or with another one, which is a bug.

What was cancelled has no end: whoever runs it again waits until it is cancelled.
"""


@attrs.frozen
class StreamOpened:
    """A recognizer stream was opened, or not; `asked` is when it was wanted."""

    t: float
    stream: int
    turn: int
    asked: float
    error: str = ""
    """Why there is none."""
    crashed: bool = False
    """Whether that was not a `ProviderError` but another one, which is a bug."""


@attrs.frozen
class Fed:
    """A recognizer stream took `samples` at `asked` and gave `text` at `t`."""

    t: float
    stream: int
    asked: float
    samples: int
    text: str


@attrs.frozen
class Finished:
    """A recognizer stream was told at `asked` to finish, and gave `text` at `t`."""

    t: float
    stream: int
    asked: float
    text: str


@attrs.frozen
class StreamFailed:
    """What a recognizer stream was asked at `asked` failed."""

    t: float
    stream: int
    asked: float
    samples: int | None
    """What it was fed with; None when it was to finish."""
    how: How
    error: str = ""


@attrs.frozen
class Asked:
    """A language model was asked."""

    t: float
    request: int
    turn: int
    said: str
    """The last message."""


@attrs.frozen
class Token:
    """A piece of a reply, offered at `offered` and taken at `t`."""

    t: float
    request: int
    offered: float
    text: str


@attrs.frozen
class Replied:
    """A language model's reply was over."""

    t: float
    request: int
    how: How
    error: str = ""
    usage: dict[str, Any] = attrs.Factory(dict)
    """What it cost, if that is known: `trioagent.interfaces.Usage`."""


@attrs.frozen
class ToSay:
    """A synthesizer was given a phrase."""

    t: float
    phrase: int
    turn: int
    text: str


@attrs.frozen
class Sound:
    """A piece of a phrase's audio, offered at `offered` and taken at `t`."""

    t: float
    phrase: int
    offered: float
    samples: int
    words: tuple[tuple[int, int], ...] = ()
    """(first character, first sample) of each word, as `WordMark`."""


@attrs.frozen
class Said:
    """A synthesizer was done with a phrase."""

    t: float
    phrase: int
    how: How
    error: str = ""


# --- what the agent did ----------------------------------------------------------


@attrs.frozen
class Frame:
    """A frame was written to the room."""

    t: float
    samples: int
    last: bool = False


@attrs.frozen
class TalkEnded:
    """The talk spurt was ended without a frame."""

    t: float


@attrs.frozen
class Happened:
    """An event of a turn's journal."""

    t: float
    turn: int
    event: str
    data: dict[str, Any] = attrs.Factory(dict)


@attrs.frozen
class Ended:
    """The last turn was over: the recording is complete."""

    t: float


Entry = (
    Packet
    | Joined
    | Left
    | Lost
    | Restored
    | StreamOpened
    | Fed
    | Finished
    | StreamFailed
    | Asked
    | Token
    | Replied
    | ToSay
    | Sound
    | Said
    | Frame
    | TalkEnded
    | Happened
    | Ended
)

KINDS: dict[str, type[Entry]] = {
    "packet": Packet,
    "joined": Joined,
    "left": Left,
    "lost": Lost,
    "restored": Restored,
    "stream_opened": StreamOpened,
    "fed": Fed,
    "finished": Finished,
    "stream_failed": StreamFailed,
    "asked": Asked,
    "token": Token,
    "replied": Replied,
    "to_say": ToSay,
    "sound": Sound,
    "said": Said,
    "frame": Frame,
    "talk_ended": TalkEnded,
    "event": Happened,
    "ended": Ended,
}

_TIMES = ("t", "asked", "offered", "arrived")
_DECIMALS = 6


def moved(entry: Entry, seconds: float) -> Entry:
    """The same entry, `seconds` later; its times are rounded to microseconds."""
    changes = {
        field.name: round(value + seconds, _DECIMALS)
        for field in attrs.fields(type(entry))
        if field.name in _TIMES and (value := getattr(entry, field.name)) is not None
    }
    return attrs.evolve(entry, **changes)
