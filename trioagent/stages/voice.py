"""How replies are made and sound."""

from __future__ import annotations

import attrs

from trioagent.config import ChunkerConfig, PlaybackConfig
from trioagent.decisions.jitter import StartLevel
from trioagent.interfaces import LanguageModel, Synthesizer


@attrs.frozen(eq=False)
class Voice:
    """How replies are made and sound: shared by all turns of a room."""

    language_model: LanguageModel
    synthesizer: Synthesizer
    rate_hz: int
    """The room's frame rate for this synthesizer."""
    chunker: ChunkerConfig
    playback: PlaybackConfig
    start_level: StartLevel
    failure_notice: str
