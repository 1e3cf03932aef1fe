"""What is written down, kept and told."""

from __future__ import annotations

from typing import Literal

import attrs

from trioagent.config.bounds import between


@attrs.frozen(kw_only=True)
class JournalConfig:
    """`[journal]`: what is written down."""

    latency_file: str = "latency.jsonl"
    """One JSON object per turn; empty writes none."""
    log_transcripts: bool = False
    """Whether the log shows what was said."""
    max_mb: float = attrs.field(default=50.0, validator=between(0.01, 100_000))
    """When the file is larger, its older half is deleted."""
    max_age_days: float = attrs.field(default=30.0, validator=between(0.01, 36_500))
    """Older lines are deleted."""
    log_format: Literal["text", "json"] = "text"
    """Of the log on stderr: for people, or one JSON object per line."""


@attrs.frozen(kw_only=True)
class RecordingConfig:
    """`[recording]`: turns that are kept as they were, to be run again."""

    folder: str = ""
    """Where they are kept; empty records nothing."""
    max_mb: float = attrs.field(default=1000.0, validator=between(1, 10_000_000))
    """The oldest are deleted when all together are larger."""
    max_age_days: float = attrs.field(default=30.0, validator=between(0.01, 36_500))
    """Older ones are deleted."""
    announcement: str = "What is said in this channel is being recorded."
    """Written to the channel while recording; empty writes nothing."""


@attrs.frozen(kw_only=True)
class StatusConfig:
    """`[status]`: where the running agent tells how it is."""

    socket: str = ""
    """Path of a local socket for `trioagent status`; empty is one in the user's runtime
    folder, "off" is none."""
