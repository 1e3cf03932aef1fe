"""What `trioagent call` is asked to do, and what it found out."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import validators as v

from trioagent.calling.talk_spurts import Interruption
from trioagent.calling.utterances import Release, Utterance
from trioagent.interfaces import Pcm


@attrs.frozen(eq=False, kw_only=True)
class CallPlan:
    """What to say, and how long to wait for what. Seconds where no unit is named."""

    utterances: tuple[Utterance, ...]
    interruption: Utterance | None = None
    """Said into each reply, `interrupt_at_s` after the reply's first packet."""
    interrupt_at_s: float = attrs.field(default=1.0, validator=v.ge(0))
    release: Release = "voice"
    hold_ms: float = attrs.field(default=200.0, validator=v.ge(0))
    """The client's voice hold, for `release="voice"`."""
    wait_s: float = attrs.field(default=5.0, validator=v.ge(0))
    """How long the agent may take to be in our channel."""
    settle_s: float = attrs.field(default=0.5, validator=v.ge(0))
    """How long the agent must be silent before we speak."""
    reply_timeout_s: float = attrs.field(default=15.0, validator=v.gt(0))
    """How long the agent may take to reply; not counted while it still speaks."""
    reply_gap_s: float = attrs.field(default=0.8, validator=v.gt(0))
    """A reply is over when no packet came for this long."""


@attrs.frozen(eq=False, kw_only=True)
class CallResult:
    """One utterance and what was heard after it, by the caller's clock."""

    said: str
    interrupts: bool = False
    """Whether it was said into the reply to the utterance before."""
    ttfa_ms: float | None
    """From our last packet with speech to the reply's first; None: no reply.

    Negative where the agent began before we were done and did not stop.
    """
    reply_s: float
    heard: Pcm
    """The reply, at `HEARING_RATE_HZ`; empty when there was none."""
    interruption: Interruption | None = None
    """None where none was planned; its fields are None where it came too late."""
    transcript: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object for `--json`; what was not asked for has no key."""
        row: dict[str, Any] = {"said": self.said, "interrupts": self.interrupts}
        row |= {"ttfa_ms": self.ttfa_ms, "reply_s": self.reply_s}
        if self.interruption is not None:
            row |= attrs.asdict(self.interruption)
        if self.transcript is not None:
            row["transcript"] = self.transcript
        return row
