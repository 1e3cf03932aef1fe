"""The configuration as values: every key, its unit, its default and its bounds.

Reading it from a file is the job of `trioagent.configuration`. Keys of a provider's own
table (`[asr.sherpa]`) belong to the provider and are not listed here.
"""

from __future__ import annotations

import attrs

from trioagent.config.bounds import Options
from trioagent.config.keeping import JournalConfig, RecordingConfig, StatusConfig
from trioagent.config.models import (
    AsrConfig,
    BreakerConfig,
    LlmConfig,
    TtsConfig,
    VadConfig,
)
from trioagent.config.room import AccessConfig, AgentConfig, MumbleConfig
from trioagent.config.turn import (
    DEFAULT_BACKCHANNELS,
    BargeInConfig,
    ChunkerConfig,
    PlaybackConfig,
    TurnConfig,
)

__all__ = [
    "DEFAULT_BACKCHANNELS",
    "AccessConfig",
    "AgentConfig",
    "AsrConfig",
    "BargeInConfig",
    "BreakerConfig",
    "ChunkerConfig",
    "Config",
    "JournalConfig",
    "LlmConfig",
    "MumbleConfig",
    "Options",
    "PlaybackConfig",
    "RecordingConfig",
    "StatusConfig",
    "TtsConfig",
    "TurnConfig",
    "VadConfig",
]


@attrs.frozen(kw_only=True)
class Config:
    """The whole configuration."""

    mumble: MumbleConfig = attrs.Factory(MumbleConfig)
    agent: AgentConfig = attrs.Factory(AgentConfig)
    access: AccessConfig = attrs.Factory(AccessConfig)
    vad: VadConfig = attrs.Factory(VadConfig)
    asr: AsrConfig = attrs.Factory(AsrConfig)
    llm: LlmConfig = attrs.Factory(LlmConfig)
    tts: TtsConfig = attrs.Factory(TtsConfig)
    breaker: BreakerConfig = attrs.Factory(BreakerConfig)
    turn: TurnConfig = attrs.Factory(TurnConfig)
    chunker: ChunkerConfig = attrs.Factory(ChunkerConfig)
    playback: PlaybackConfig = attrs.Factory(PlaybackConfig)
    barge_in: BargeInConfig = attrs.Factory(BargeInConfig)
    journal: JournalConfig = attrs.Factory(JournalConfig)
    recording: RecordingConfig = attrs.Factory(RecordingConfig)
    status: StatusConfig = attrs.Factory(StatusConfig)
