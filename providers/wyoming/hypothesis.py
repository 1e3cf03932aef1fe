"""What a server has made of an utterance so far, from the events that it sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.errors import ProviderError

if TYPE_CHECKING:
    from trioagent.wyoming.framing import Event

MAX_CHARS = 100_000


@attrs.define(eq=False)
class Hypothesis:
    """What the server of one connection has said so far."""

    text: str = ""
    final: bool = False

    def take(self, event: Event) -> None:
        """Take the next event; those of other kinds change nothing.

        Raises:
            ProviderError: nobody can have said so much.
        """
        if event.type == "transcript":
            self.text, self.final = event.text("text"), True
        elif event.type == "transcript-start":
            self.text = ""
        elif event.type == "transcript-chunk":
            # `trioagent serve` adds all that it believes now, as it may change.
            whole = event.data.get("hypothesis")
            known = isinstance(whole, str)
            self.text = str(whole) if known else self.text + event.text("text")
        if len(self.text) > MAX_CHARS:
            text = f"wyoming: a transcript of more than {MAX_CHARS} characters"
            raise ProviderError(text)
