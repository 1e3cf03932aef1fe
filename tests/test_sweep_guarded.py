"""The sweep once more, with the guards and the chain that the application puts in."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

import tests.swept_turn
from tests.sweep import Scenario, sweep
from tests.test_sweep import failing, interrupted, shut_down
from trioagent import Config, Parts
from trioagent.chain import FallbackChain, Link
from trioagent.guards.board import Guards

if TYPE_CHECKING:
    from trioagent.interfaces import (
        LanguageModel,
        Recognizer,
        Room,
        Synthesizer,
        VoiceActivityDetector,
    )


def guarded(
    room: Room,
    vad: VoiceActivityDetector,
    recognizer: Recognizer,
    model: LanguageModel,
    synthesizer: Synthesizer,
) -> Parts:
    guards = Guards(Config())
    patient = guards.language_model(model)
    return Parts(
        room,
        vad,
        guards.recognizer(recognizer, "swept"),
        FallbackChain([Link(patient, breaker=patient.guard.breaker)]),
        guards.synthesizer(synthesizer, "swept"),
    )


@pytest.mark.parametrize("scenario", [interrupted, failing, shut_down])
def test_guards_leave_nothing_behind(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tests.swept_turn, "Parts", guarded)
    runs = sweep(scenario, seed=1, stride=3)
    assert runs > 30
