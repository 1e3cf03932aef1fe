"""Whom the agent listens to, answers, and lets interrupt it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.config import AccessConfig, AgentConfig
from trioagent.decisions.access import Access
from trioagent.decisions.addressing import Addressing
from trioagent.decisions.identity import identity
from trioagent.decisions.limits import TOO_MANY_TURNS, TurnLimit

if TYPE_CHECKING:
    from trioagent.interfaces import Speaker


@attrs.define(eq=False)
class Company:
    """One room's company of people and other agents.

    Two agents that answer everything would talk to each other for ever: after
    `max_agent_replies` in a row to other agents, they are left unanswered until a
    person has been answered.
    """

    config: AgentConfig
    own_name: str
    answers: dict[int, float] = attrs.Factory(dict)
    """Which speakers were answered lately, and when."""
    agent_replies: int = 0
    """Replies to other agents since a person was answered."""
    access: Access = attrs.Factory(Access)
    limit: TurnLimit = attrs.Factory(lambda: TurnLimit(AccessConfig().turns_per_minute))
    _addressing: Addressing = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        names = self.config.names or (self.own_name,)
        attention_s = self.config.attention_s
        self._addressing = Addressing(names, attention_s, self.answers)

    def heard(self, speaker: Speaker) -> bool:
        """Whether this speaker is listened to at all."""
        return self.access.admits(speaker) and speaker.name not in self.config.ignore

    def refusal(self, speaker: Speaker, text: str, onset: float) -> str:
        """Why `text` of the turn that began at `onset` is not answered; "" if it is.

        Then the turn counts as one of those that its speaker may have in a while.
        """
        if speaker.agent and self.agent_replies >= self.config.max_agent_replies:
            return "agents among themselves"
        if not self.calls(speaker, text, onset):
            return "not addressed"
        if not self.limit.take(identity(speaker), onset):
            return TOO_MANY_TURNS
        return ""

    def calls(self, speaker: Speaker, text: str, onset: float) -> bool:
        """Whether `text` is meant for the agent."""
        if self.config.respond == "always":
            return True
        return self._addressing.addressed(text, speaker.id, onset)

    def contests(self, speaker: Speaker, addressee: Speaker) -> bool:
        """Whether the voice alone of this speaker may interrupt a reply.

        Not an agent's; and where people also talk to each other, only that of the one
        who is being answered. The others have to call.
        """
        if speaker.agent:
            return False
        return self.config.respond == "always" or speaker.id == addressee.id

    def answered(self, speaker: Speaker, now: float) -> None:
        """An answer to this speaker was heard, and ended now."""
        self.agent_replies = self.agent_replies + 1 if speaker.agent else 0
        self._addressing.answered(speaker.id, now)

    def forget(self, speaker_id: int) -> None:
        """Whether this speaker was answered lately is not known any more.

        How many turns they had lately still is: it would be a way around the limit, and
        is gone by itself soon.
        """
        self.answers.pop(speaker_id, None)
