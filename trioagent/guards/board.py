"""All guards of an agent: made from its configuration, asked how its providers are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.config import Config
from trioagent.decisions.breaker import Breaker
from trioagent.guards.guard import Guard, Health
from trioagent.guards.models import GuardedSynthesizer, PatientLanguageModel
from trioagent.guards.recognizer import GuardedRecognizer

if TYPE_CHECKING:
    from trioagent.interfaces import LanguageModel, Recognizer, Synthesizer


@attrs.define(eq=False)
class Guards:
    """The guards of one agent's providers, in the order in which they were made.

    `user` is that agent's name, where there are others with providers of their own.
    """

    config: Config
    user: str = ""
    _guards: list[Guard] = attrs.Factory(list)

    @property
    def health(self) -> list[Health]:
        """How each provider is now."""
        return [guard.health for guard in self._guards]

    @property
    def states(self) -> dict[str, str]:
        """Whether each provider is asked now: "closed" is well."""
        return {health.name: health.state for health in self.health}

    def recognizer(self, recognizer: Recognizer, name: str) -> GuardedRecognizer:
        """It, bounded by `[asr] timeout_s` and `[breaker]`."""
        timeout_s, retry_s = self.config.asr.timeout_s, self.config.breaker.retry_s
        guard = self._guard(f"recognizer {name}", "asr", timeout_s, retry_s)
        return GuardedRecognizer(recognizer, guard)

    def synthesizer(self, synthesizer: Synthesizer, name: str) -> GuardedSynthesizer:
        """It, bounded by `[tts] timeout_s` and `[breaker]`."""
        timeout_s, retry_s = self.config.tts.timeout_s, self.config.breaker.retry_s
        guard = self._guard(f"synthesizer {name}", "tts", timeout_s, retry_s)
        return GuardedSynthesizer(synthesizer, guard)

    def language_model(self, model: LanguageModel) -> PatientLanguageModel:
        """It, bounded by `[llm] timeout_s`; its breaker is for the chain."""
        llm = self.config.llm
        name = f"language model {model.name}"
        return PatientLanguageModel(
            model, self._guard(name, "llm", llm.timeout_s, llm.retry_s)
        )

    def _guard(self, name: str, kind: str, timeout_s: float, retry_s: float) -> Guard:
        breaker = Breaker(self.config.breaker.failures, retry_s)
        if self.user and any(known.name == name for known in self._guards):
            name = f"{name} of {self.user}"
        guard = Guard(name, f"{kind}.timeout_s", timeout_s, breaker)
        self._guards.append(guard)
        return guard
