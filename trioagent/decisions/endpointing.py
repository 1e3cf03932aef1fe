"""When a speaker has paused, and when the turn is over.

Four kinds of evidence: silence inside packets, packets that stop, the talk spurt's
terminator, and the words. Times are arguments; whoever owns an `Endpointer` calls
`state` after each piece of evidence and again at `wake_at`.
"""

from __future__ import annotations

import enum
import math

import attrs

from trioagent.config import TurnConfig
from trioagent.decisions.completeness import Completeness, completeness


class Speaking(enum.Enum):
    """Where an utterance stands."""

    SPEAKING = "speaking"
    PAUSED = "paused"
    ENDED = "ended"


@attrs.define(eq=False)
class Endpointer:
    """Follows one utterance from its onset to its end."""

    config: TurnConfig
    started: float
    """When its speech began."""
    cause: str = ""
    """Why it ended: "released", "silence" or "too long"."""
    last_speech: float = attrs.field(init=False)
    """When speech was last heard."""
    hold_s: float = attrs.field(init=False)
    """The silence that ends the turn, by its words so far."""
    _late_s: float = 0.0
    """How late the last packet was heard, if more than jitter explains."""
    _speech_since: float | None = None
    _released: bool = False

    def __attrs_post_init__(self) -> None:
        self.last_speech = self.started
        self.words("")

    def heard(
        self, time: float, *, speech: bool, ends_talk: bool, late_s: float = 0.0
    ) -> None:
        """A packet arrived that holds speech or not, and maybe a terminator.

        It is heard `late_s` after it came, and what follows waits behind it as well: an
        agent that is behind must not take that for its speaker's silence.
        """
        self._late_s = late_s if late_s > self.config.packet_gap_ms / 1000 else 0.0
        if speech:
            self.last_speech = time
            if self._speech_since is None:
                self._speech_since = time
        elif self._speech_since is not None and not ends_talk:
            self._speech_since = None
        # A key is let go at the last word; a client that waits for silence has
        # already sent some. Only the first is an end by itself.
        if ends_talk:
            since, self._speech_since = self._speech_since, None
            held_s = self.config.released_speech_ms / 1000
            self._released = since is not None and time - since >= held_s

    def words(self, text: str) -> None:
        """The hypothesis so far."""
        match completeness(text):
            case Completeness.FINISHED:
                hold_ms = min(self.config.min_hold_ms, self.config.hold_ms)
            case Completeness.UNFINISHED:
                hold_ms = max(self.config.max_hold_ms, self.config.hold_ms)
            case Completeness.UNCLEAR:
                hold_ms = self.config.hold_ms
        self.hold_s = hold_ms / 1000

    def state(self, now: float) -> Speaking:
        """Where the utterance stands at `now`."""
        if self._released:
            self.cause = "released"
            return Speaking.ENDED
        if now >= self._too_long_at():
            self.cause = "too long"
            return Speaking.ENDED
        if now >= self._silent_at(self.hold_s):
            self.cause = "silence"
            return Speaking.ENDED
        if now >= self._silent_at(self.config.pause_ms / 1000):
            return Speaking.PAUSED
        return Speaking.SPEAKING

    def wake_at(self, now: float) -> float:
        """When `state` may next change if nothing is heard until then."""
        times = (
            self._silent_at(self.config.pause_ms / 1000),
            self._silent_at(self.hold_s),
            self._too_long_at(),
        )
        return min([time for time in times if time > now], default=math.inf)

    def _silent_at(self, duration_s: float) -> float:
        """When there will have been so much silence, if nothing more is heard."""
        quiet_from = self.last_speech + self._late_s
        if self._speech_since is None:
            return quiet_from + duration_s
        # The last packet was speech: without a terminator, silence is only known
        # once the next packet is later than jitter explains.
        return quiet_from + max(duration_s, self.config.packet_gap_ms / 1000)

    def _too_long_at(self) -> float:
        return self.started + self.config.max_turn_s
