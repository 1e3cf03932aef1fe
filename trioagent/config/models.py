"""The models, and how much patience there is with them."""

from __future__ import annotations

import attrs
from attrs import validators as v

from trioagent.config.bounds import Options, between


@attrs.frozen(kw_only=True)
class VadConfig:
    """`[vad]`: what counts as speech. `[vad.<provider>]` holds the provider's own."""

    provider: str = "silero"
    start_probability: float = attrs.field(default=0.5, validator=between(0.01, 1))
    """Speech starts at this probability."""
    stop_probability: float = attrs.field(default=0.35, validator=between(0.01, 1))
    """Speech goes on until the probability falls below this one."""
    min_speech_ms: float = attrs.field(default=60, validator=between(0, 2000))
    """Shorter sounds open no turn; while the agent speaks, any sound makes it pause."""
    pre_roll_ms: float = attrs.field(default=300, validator=between(0, 3000))
    """Audio from before the onset that the recognizer gets too."""
    # Not in its repr: there may be keys in it.
    options: Options = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class AsrConfig:
    """`[asr]`: the recognizer. `[asr.<provider>]` holds the provider's own keys."""

    provider: str = "auto"
    """"auto" takes the best that can be used, and says which."""
    model: str = ""
    """The model, for providers that load one: a name in the catalogue, or a folder."""
    timeout_s: float = attrs.field(default=10.0, validator=between(0.1, 600))
    """The longest wait for its answer to a piece of audio; then the turn has failed."""
    # Not in its repr: there may be keys in it.
    options: Options = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class LlmConfig:
    """`[llm]`: the language models, best first. `[llm.<provider>]`: their own keys."""

    providers: tuple[str, ...] = attrs.field(default=("echo",), validator=v.min_len(1))
    fallback_notice: str = (
        "I can't reach my language model, so for now I only repeat what I hear."
    )
    """Said once when the first provider fails and another takes over."""
    retry_s: float = attrs.field(default=10.0, validator=between(0.1, 3600))
    """How often a failed provider is asked whether it is back."""
    timeout_s: float = attrs.field(default=15.0, validator=between(0.1, 600))
    """The longest wait for the next piece of a reply, whatever the provider says."""
    # Not in its repr: there may be keys in it.
    options: Options = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class TtsConfig:
    """`[tts]`: the synthesizer. `[tts.<provider>]` holds the provider's own keys."""

    provider: str = "espeak"
    timeout_s: float = attrs.field(default=10.0, validator=between(0.1, 600))
    """The longest wait for the next piece of a phrase's audio."""
    # Not in its repr: there may be keys in it.
    options: Options = attrs.field(factory=dict, repr=False)


@attrs.frozen(kw_only=True)
class BreakerConfig:
    """`[breaker]`: how a provider that fails is spared, and turns are not held up."""

    failures: int = attrs.field(default=3, validator=between(1, 1000))
    """After so many in a row, a provider is not asked any more,"""
    retry_s: float = attrs.field(default=10.0, validator=between(0.1, 3600))
    """until so long has passed; then the next call finds out whether it is back. For
    language models, that is `llm.retry_s`."""
