"""A turn's word on one of its drafts, for that draft's playback."""

from __future__ import annotations

from typing import Protocol

import attrs
import trio

from trioagent.decisions.echo import EchoJudge
from trioagent.stages.draft import Draft


class Owner(Protocol):
    """A turn, as its drafts see it."""

    @property
    def held(self) -> bool:
        """Whether its reply holds its breath."""
        ...

    def begin(self, draft: Draft) -> bool:
        """Whether this draft may be heard, from this very step on."""
        ...


@attrs.frozen(eq=False)
class Reply:
    """One draft on its way to being heard."""

    turn: Owner
    draft: Draft
    echo: EchoJudge

    @property
    def held(self) -> bool:
        """Whether it holds its breath."""
        return self.turn.held

    def begin(self) -> bool:
        """Whether it may be heard, from this very step on."""
        return self.turn.begin(self.draft)

    def sounding(self, phrase: str) -> None:
        """Its echo may come from now on."""
        self.echo.spoke(phrase, trio.current_time())

    def waits(self, *, for_audio: bool) -> None:
        """Only a lack of audio costs the turn's patience."""
        counts = for_audio and not self.turn.held
        self.draft.clock.charge(self.draft.waits_for if counts else "")
