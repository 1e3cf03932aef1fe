"""What was said and heard in a room, as a language model is shown it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.decisions.identity import is_of
from trioagent.decisions.limits import last_words
from trioagent.interfaces import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Speaker

# English text, by the tokenizers of common models; a rule of thumb is enough here.
CHARS_PER_TOKEN = 4


@attrs.frozen
class Exchange:
    """One turn: what somebody said, and what they heard of the reply (maybe "")."""

    speaker: str
    said: str
    heard: str
    certificate: str = ""
    """The speaker's, if they have one: whose it is when they ask to be forgotten."""


@attrs.define(eq=False)
class History:
    """One room's conversation. Each turn is written once, when its outcome is known."""

    system_prompt: str
    max_turns: int
    max_tokens: int
    """What the turns may come to together, at `CHARS_PER_TOKEN`."""
    version: int = 0
    """Grows with each change: a reply made from an older version is out of date."""
    _exchanges: list[Exchange] = attrs.Factory(list)
    max_words: int = attrs.field(default=100_000, kw_only=True)
    """Of what is said in one turn, not more than the last of these are passed on."""

    def add(self, exchange: Exchange) -> None:
        """Write down a turn."""
        said = last_words(exchange.said, self.max_words)
        self._exchanges.append(attrs.evolve(exchange, said=said))
        self.version += 1
        # Cutting half of it at once, and rarely, keeps the beginning of the prompt
        # the same from turn to turn, which is what a server's prefix cache needs.
        if len(self._exchanges) > 2 * self.max_turns:
            del self._exchanges[: len(self._exchanges) - self.max_turns]
        if self._tokens() > self.max_tokens:
            while self._tokens() > self.max_tokens // 2:
                del self._exchanges[0]

    def forget(self, speaker: Speaker) -> int:
        """Delete what this speaker said, and the replies; how many turns it was."""
        kept = [
            e for e in self._exchanges if not is_of(speaker, e.speaker, e.certificate)
        ]
        forgotten = len(self._exchanges) - len(kept)
        if forgotten:
            self._exchanges[:] = kept
            self.version += 1
        return forgotten

    def _tokens(self) -> float:
        chars = sum(len(turn.said) + len(turn.heard) for turn in self._exchanges)
        return chars / CHARS_PER_TOKEN

    @property
    def exchanges(self) -> Sequence[Exchange]:
        """The turns, oldest first."""
        return tuple(self._exchanges)

    def prompt(self, speaker: str, text: str) -> tuple[Message, ...]:
        """The messages that ask for a reply to what `speaker` says now.

        Roles alternate whatever happened: what nobody answered is joined with what
        was said next. Names stand before what is said from the second speaker on, and
        not before what was said until then: a prompt only goes on from the one before
        it, because a server's prefix cache is lost where they differ.
        """
        asked = Exchange(speaker, last_words(text, self.max_words), "")
        turns = [*self._exchanges, asked]
        speakers: set[str] = set()
        messages = [Message("system", self.system_prompt)]
        for turn in turns:
            speakers.add(turn.speaker)
            several = len(speakers) > 1
            said = f"{turn.speaker}: {turn.said}" if several else turn.said
            if messages[-1].role == "user":
                said = f"{messages.pop().content}\n{said}"
            messages.append(Message("user", said))
            if turn.heard:
                messages.append(Message("assistant", turn.heard))
        return tuple(messages)
