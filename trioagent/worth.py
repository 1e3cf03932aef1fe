"""Whether what somebody said wants an answer."""

from __future__ import annotations

import attrs

from trioagent.decisions.interruption import is_backchannel
from trioagent.decisions.text import words_of
from trioagent.floor import Claim, Floor, Replying


@attrs.define(eq=False)
class Worth:
    """Judges the words of one turn."""

    floor: Floor
    claim: Claim
    since: float
    """When the turn began."""
    opened_over: Replying | None
    """The reply that was being heard then."""

    def refusal(self, text: str) -> str:
        """Why `text`, as far as it is known, is not answered; "" if it is."""
        return self.floor.company.refusal(self.claim.turn.speaker, text, self.since)

    def ignored(self, text: str) -> str:
        """Why `text`, all of it, comes to nothing; "" if it is answered."""
        over = self.opened_over
        backchannels = self.floor.barge_in.config.backchannels
        if not words_of(text):
            return "no words"
        if self.claim.is_echo(text):
            return "echo"
        opposed = over is not None and not over.interrupted
        if opposed and is_backchannel(text, backchannels):
            return "backchannel"
        return self.refusal(text)
