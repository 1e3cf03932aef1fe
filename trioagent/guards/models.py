"""A synthesizer and a language model whose silence is bounded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.guards.guard import Guard
from trioagent.guards.outlet import TimedOutlet
from trioagent.interfaces import LanguageModel, Outlet, Speech, Synthesizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.interfaces import Message, Usage


@attrs.frozen(eq=False)
class GuardedSynthesizer:
    """A synthesizer that is waited for only so long, and spared while it fails."""

    synthesizer: Synthesizer
    guard: Guard

    @property
    def rate_hz(self) -> int:
        """The synthesizer's."""
        return self.synthesizer.rate_hz

    async def synthesize(self, phrase: str, audio: Outlet[Speech]) -> None:
        """As the synthesizer does.

        Raises:
            ProviderUnavailable: it failed too often to be asked now.
            ProviderError: it failed, or was silent for too long.
        """
        with self.guard.call() as call:
            timed = TimedOutlet(audio, self.guard.timeout_s)
            with timed.timing(self.guard):
                await self.synthesizer.synthesize(phrase, timed)
            call.answered()


@attrs.frozen(eq=False)
class PatientLanguageModel:
    """A language model that is waited for only so long.

    Whether it is asked at all is the chain's to decide, which has the breaker.
    """

    model: LanguageModel
    guard: Guard

    @property
    def name(self) -> str:
        """The model's."""
        return self.model.name

    async def check(self) -> None:
        """As the model does.

        Raises:
            ProviderError: it cannot be used, or did not say so in time.
        """
        with trio.move_on_after(self.guard.timeout_s) as waiting:
            await self.model.check()
        if waiting.cancelled_caught:
            raise self.guard.no_answer("did not say whether it can be used")

    async def reply(
        self, messages: Sequence[Message], tokens: Outlet[str]
    ) -> Usage | None:
        """As the model does.

        Raises:
            ProviderError: it failed, or was silent for too long.
        """
        timed = TimedOutlet(tokens, self.guard.timeout_s)
        with timed.timing(self.guard):
            return await self.model.reply(messages, timed)
