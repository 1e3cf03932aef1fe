"""A turn, from what is heard to what is spoken."""

from __future__ import annotations

from typing import Literal

import attrs

from trioagent.config.bounds import between


@attrs.frozen(kw_only=True)
class TurnConfig:
    """`[turn]`: when somebody has finished speaking, and when a reply is begun."""

    hold_ms: float = attrs.field(default=500, validator=between(0, 10_000))
    """Silence that ends a turn whose words say nothing about it."""
    min_hold_ms: float = attrs.field(default=350, validator=between(0, 10_000))
    """Silence that ends a turn whose words are a finished sentence or question."""
    max_hold_ms: float = attrs.field(default=1200, validator=between(0, 30_000))
    """Silence that ends a turn whose words ask for more ("and", "the", "um")."""
    packet_gap_ms: float = attrs.field(default=80, validator=between(20, 2000))
    """No packet for so long is silence: Mumble sends nothing while one is quiet."""
    released_speech_ms: float = attrs.field(default=200, validator=between(20, 2000))
    """A talk spurt whose last part, so long, was all speech was ended by a push-to-talk
    key: the turn is over at once."""
    max_turn_s: float = attrs.field(default=60, validator=between(1, 600))
    """A turn that still listens after so long is ended with what it heard."""
    early_start: Literal["off", "pause", "prefix"] = "prefix"
    """When a reply is prepared before the turn is over: never, in a pause, or already
    on words that will hardly change, while the speaker goes on."""
    prefix_min_chars: int = attrs.field(default=50, validator=between(1, 1000))
    """Stable words of this length start an early draft; as many more replace it."""
    stable_hypotheses: int = attrs.field(default=3, validator=between(1, 50))
    """Words are stable when so many hypotheses in a row have them."""
    pause_ms: float = attrs.field(default=120, validator=between(20, 5000))
    """Silence that starts an early draft of the reply."""
    max_drafts: int = attrs.field(default=4, validator=between(1, 100))
    """Early drafts of one turn; the last one, made from the final words, is extra."""
    max_wait_s: float = attrs.field(default=20, validator=between(0.1, 600))
    """A reply that waited so long for the floor is dropped."""
    budget_s: float = attrs.field(default=20, validator=between(0.1, 600))
    """A turn whose reply neither sounds nor waits for the floor for so long after its
    last word is given up, with an apology."""


@attrs.frozen(kw_only=True)
class ChunkerConfig:
    """`[chunker]`: how the reply is cut into phrases for the synthesizer."""

    first_min_chars: int = attrs.field(default=10, validator=between(1, 1000))
    """A sentence end cuts the first phrase from this length on."""
    min_chars: int = attrs.field(default=30, validator=between(1, 1000))
    """A sentence end cuts later phrases from this length on."""
    clause_chars: int = attrs.field(default=60, validator=between(1, 1000))
    """A comma, colon or dash cuts from this length on."""
    max_chars: int = attrs.field(default=150, validator=between(10, 2000))
    """A phrase is never longer; it is cut between words."""
    timeout_ms: float = attrs.field(default=400, validator=between(10, 10_000))
    """What is there is spoken when no token came for so long."""


@attrs.frozen(kw_only=True)
class PlaybackConfig:
    """`[playback]`: from synthesized audio to frames in the room."""

    prebuffer_ms: float = attrs.field(default=40, validator=between(0, 2000))
    """Audio that must be there before a reply starts."""
    max_prebuffer_ms: float = attrs.field(default=800, validator=between(0, 5000))
    """How far the start level may grow with a synthesizer slower than real time."""
    ahead_s: float = attrs.field(default=10.0, validator=between(0.1, 120))
    """Audio that may wait in the buffer before the synthesizer is held back."""
    fade_ms: float = attrs.field(default=10, validator=between(0, 20))
    """Fade at the start of a reply and around an underrun."""


DEFAULT_BACKCHANNELS = (
    "uh huh", "mhm", "mm hmm", "hmm", "yeah", "yes", "okay", "ok", "right", "sure",
    "i see", "great", "really",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class BargeInConfig:
    """`[barge_in]`: who may interrupt the agent, and with what."""

    allow: Literal["anyone", "addressee", "nobody"] = "anyone"
    """"addressee" is the one whom the agent is answering."""
    confirm_ms: float = attrs.field(default=400, validator=between(0, 5000))
    """Speech of this length interrupts even if no word of it is known yet; words that
    are no backchannel interrupt at once. The reply is silent meanwhile."""
    min_words: int = attrs.field(default=1, validator=between(1, 20))
    """So many words that are no backchannel interrupt, however short they are."""
    urgent: tuple[str, ...] = ("stop", "wait", "no", "quiet")
    """Words that interrupt at once, whatever `min_words` says."""
    backchannels: tuple[str, ...] = DEFAULT_BACKCHANNELS
    """Words that only say "go on": alone, they interrupt nothing."""
