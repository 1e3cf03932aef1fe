"""The configuration as values: every key, its unit, its default and its bounds.

Reading it from a file is the job of `trioagent.configuration`. Keys of a provider's own
table (`[asr.sherpa]`) belong to the provider and are not listed here.
"""

from __future__ import annotations

from typing import Any, Literal

import attrs
from attrs import validators as v

Options = dict[str, Any]
"""A provider's own table, as read; the provider's options class gives it types."""


def _between(low: float, high: float) -> Any:  # noqa: ANN401
    return v.and_(v.ge(low), v.le(high))


@attrs.frozen(kw_only=True)
class MumbleConfig:
    """`[mumble]`: which server, as whom, and how it is trusted."""

    server: str = "embedded"
    """"embedded" starts a private server; else a host name or address."""
    port: int = attrs.field(default=64738, validator=_between(1, 65535))
    user: str = attrs.field(default="trioagent", validator=v.min_len(1))
    password: str = attrs.field(default="", metadata={"secret": True})
    channel: str = ""
    """Path of the channel, "Lobby/Bots"; empty is where the server puts us."""
    client: str = "native"
    """The room provider: "native" or "pymumble"."""
    trust: Literal["system", "ca", "pin"] = "pin"
    """How the server's certificate is verified; "pin" trusts on first use."""
    ca_file: str = ""
    """PEM file of the authority, for `trust = "ca"`."""
    pin_file: str = ""
    """Where seen certificates are kept; empty is the user's state folder."""
    certificate_file: str = ""
    """PEM file of our own client certificate."""
    key_file: str = ""
    """PEM file of its key; empty when it is in `certificate_file`."""
    comment: str = "trioagent: a voice agent"
    """What other users can read about ours. Agents know each other by "trioagent:"."""
    tokens: tuple[str, ...] = attrs.field(default=(), metadata={"secret": True})
    """Access tokens for restricted channels."""
    udp: bool = True
    """Send voice over UDP where it gets through; else through the TCP tunnel."""
    bitrate_kbps: int = attrs.field(default=40, validator=_between(8, 128))
    connect_timeout_s: float = attrs.field(default=10.0, validator=_between(0.1, 120))
    reconnect_min_s: float = attrs.field(default=0.25, validator=_between(0.01, 60))
    reconnect_max_s: float = attrs.field(default=15.0, validator=_between(0.1, 600))


@attrs.frozen(kw_only=True)
class AgentConfig:
    """`[agent]`: who it is."""

    system_prompt: str = (
        "You are a voice assistant in a voice chat. Your words are spoken aloud: "
        "answer in one to three short sentences of plain text, without lists, "
        "markdown, emoji or stage directions. What you hear may be misheard; ask "
        "when it makes no sense."
    )
    history_turns: int = attrs.field(default=20, validator=_between(0, 1000))
    """How many past turns the language model is shown."""
    history_tokens: int = attrs.field(default=3000, validator=_between(100, 1_000_000))
    """How long those may be together, at four characters a token."""
    respond: Literal["always", "addressed"] = "always"
    """Answer whatever is said, or only those who call the agent by its name."""
    names: tuple[str, ...] = ()
    """What it is called, for `respond = "addressed"`; empty is its user name."""
    attention_s: float = attrs.field(default=15, validator=_between(0, 3600))
    """So long after an answer its hearer need not repeat the name."""
    ignore: tuple[str, ...] = ()
    """Users who are not listened to: music bots, say."""
    max_agent_replies: int = attrs.field(default=3, validator=_between(0, 1000))
    """Replies to other agents in a row; then a person has to speak first."""
    failure_notice: str = "Sorry, something went wrong. Please say that again."
    """Said when a turn failed; empty says nothing."""


@attrs.frozen(kw_only=True)
class VadConfig:
    """`[vad]`: what counts as speech. `[vad.<provider>]` holds the provider's own."""

    provider: str = "silero"
    start_probability: float = attrs.field(default=0.5, validator=_between(0.01, 1))
    """Speech starts at this probability."""
    stop_probability: float = attrs.field(default=0.35, validator=_between(0.01, 1))
    """Speech goes on until the probability falls below this one."""
    min_speech_ms: float = attrs.field(default=60, validator=_between(0, 2000))
    """Shorter sounds open no turn; while the agent speaks, any sound makes it pause."""
    pre_roll_ms: float = attrs.field(default=300, validator=_between(0, 3000))
    """Audio from before the onset that the recognizer gets too."""
    options: Options = attrs.Factory(dict)


@attrs.frozen(kw_only=True)
class AsrConfig:
    """`[asr]`: the recognizer. `[asr.<provider>]` holds the provider's own keys."""

    provider: str = "auto"
    """"auto" takes the best that can be used, and says which."""
    model: str = ""
    """Folder of the model, for providers that load one."""
    options: Options = attrs.Factory(dict)


@attrs.frozen(kw_only=True)
class LlmConfig:
    """`[llm]`: the language models, best first. `[llm.<provider>]`: their own keys."""

    providers: tuple[str, ...] = attrs.field(default=("echo",), validator=v.min_len(1))
    fallback_notice: str = (
        "I can't reach my language model, so for now I only repeat what I hear."
    )
    """Said once when the first provider fails and another takes over."""
    retry_s: float = attrs.field(default=10.0, validator=_between(0.1, 3600))
    """How often a failed provider is asked whether it is back."""
    options: Options = attrs.Factory(dict)


@attrs.frozen(kw_only=True)
class TtsConfig:
    """`[tts]`: the synthesizer. `[tts.<provider>]` holds the provider's own keys."""

    provider: str = "espeak"
    options: Options = attrs.Factory(dict)


@attrs.frozen(kw_only=True)
class TurnConfig:
    """`[turn]`: when somebody has finished speaking, and when a reply is begun."""

    hold_ms: float = attrs.field(default=500, validator=_between(0, 10_000))
    """Silence that ends a turn whose words say nothing about it."""
    min_hold_ms: float = attrs.field(default=350, validator=_between(0, 10_000))
    """Silence that ends a turn whose words are a finished sentence or question."""
    max_hold_ms: float = attrs.field(default=1200, validator=_between(0, 30_000))
    """Silence that ends a turn whose words ask for more ("and", "the", "um")."""
    packet_gap_ms: float = attrs.field(default=80, validator=_between(20, 2000))
    """No packet for so long is silence: Mumble sends nothing while one is quiet."""
    released_speech_ms: float = attrs.field(default=200, validator=_between(20, 2000))
    """A talk spurt ended by its client this soon after speech was push-to-talk."""
    max_turn_s: float = attrs.field(default=60, validator=_between(1, 600))
    """A turn that still listens after so long is ended with what it heard."""
    early_start: Literal["off", "pause", "prefix"] = "prefix"
    """When a reply is prepared before the turn is over: never, in a pause, or already
    on words that will hardly change, while the speaker goes on."""
    prefix_min_chars: int = attrs.field(default=50, validator=_between(1, 1000))
    """Stable words of this length start an early draft; as many more replace it."""
    stable_hypotheses: int = attrs.field(default=3, validator=_between(1, 50))
    """Words are stable when so many hypotheses in a row have them."""
    pause_ms: float = attrs.field(default=120, validator=_between(20, 5000))
    """Silence that starts an early draft of the reply."""
    max_drafts: int = attrs.field(default=4, validator=_between(1, 100))
    """Early drafts of one turn; the last one, made from the final words, is extra."""
    max_wait_s: float = attrs.field(default=20, validator=_between(0.1, 600))
    """A reply that waited so long for the floor is dropped."""


@attrs.frozen(kw_only=True)
class ChunkerConfig:
    """`[chunker]`: how the reply is cut into phrases for the synthesizer."""

    first_min_chars: int = attrs.field(default=10, validator=_between(1, 1000))
    """A sentence end cuts the first phrase from this length on."""
    min_chars: int = attrs.field(default=30, validator=_between(1, 1000))
    """A sentence end cuts later phrases from this length on."""
    clause_chars: int = attrs.field(default=60, validator=_between(1, 1000))
    """A comma, colon or dash cuts from this length on."""
    max_chars: int = attrs.field(default=150, validator=_between(10, 2000))
    """A phrase is never longer; it is cut between words."""
    timeout_ms: float = attrs.field(default=400, validator=_between(10, 10_000))
    """What is there is spoken when no token came for so long."""


@attrs.frozen(kw_only=True)
class PlaybackConfig:
    """`[playback]`: from synthesized audio to frames in the room."""

    prebuffer_ms: float = attrs.field(default=40, validator=_between(0, 2000))
    """Audio that must be there before a reply starts."""
    max_prebuffer_ms: float = attrs.field(default=800, validator=_between(0, 5000))
    """How far the start level may grow with a synthesizer slower than real time."""
    ahead_s: float = attrs.field(default=10.0, validator=_between(0.1, 120))
    """Audio that may wait in the buffer before the synthesizer is held back."""
    fade_ms: float = attrs.field(default=10, validator=_between(0, 20))
    """Fade at the start of a reply and around an underrun."""


DEFAULT_BACKCHANNELS = (
    "uh huh", "mhm", "mm hmm", "hmm", "yeah", "yes", "okay", "ok", "right", "sure",
    "i see", "great", "really",
)  # fmt: skip


@attrs.frozen(kw_only=True)
class BargeInConfig:
    """`[barge_in]`: who may interrupt the agent, and with what."""

    allow: Literal["anyone", "addressee", "nobody"] = "anyone"
    """"addressee" is the one whom the agent is answering."""
    confirm_ms: float = attrs.field(default=400, validator=_between(0, 5000))
    """Speech of this length interrupts even if no word of it is known yet; words that
    are no backchannel interrupt at once. The reply is silent meanwhile."""
    min_words: int = attrs.field(default=1, validator=_between(1, 20))
    """So many words that are no backchannel interrupt, however short they are."""
    urgent: tuple[str, ...] = ("stop", "wait", "no", "quiet")
    """Words that interrupt at once, whatever `min_words` says."""
    backchannels: tuple[str, ...] = DEFAULT_BACKCHANNELS
    """Words that only say "go on": alone, they interrupt nothing."""


@attrs.frozen(kw_only=True)
class JournalConfig:
    """`[journal]`: what is written down."""

    latency_file: str = "latency.jsonl"
    """One JSON object per turn; empty writes none."""
    log_transcripts: bool = False
    """Whether the log shows what was said."""


@attrs.frozen(kw_only=True)
class RecordingConfig:
    """`[recording]`: turns that are kept as they were, to be run again."""

    folder: str = ""
    """Where they are kept; empty records nothing."""
    max_mb: float = attrs.field(default=1000.0, validator=_between(1, 10_000_000))
    """The oldest are deleted when all together are larger."""
    max_age_days: float = attrs.field(default=30.0, validator=_between(0.01, 36_500))
    """Older ones are deleted."""
    announcement: str = "What is said in this channel is being recorded."
    """Written to the channel while recording; empty writes nothing."""


@attrs.frozen(kw_only=True)
class Config:
    """The whole configuration."""

    mumble: MumbleConfig = attrs.Factory(MumbleConfig)
    agent: AgentConfig = attrs.Factory(AgentConfig)
    vad: VadConfig = attrs.Factory(VadConfig)
    asr: AsrConfig = attrs.Factory(AsrConfig)
    llm: LlmConfig = attrs.Factory(LlmConfig)
    tts: TtsConfig = attrs.Factory(TtsConfig)
    turn: TurnConfig = attrs.Factory(TurnConfig)
    chunker: ChunkerConfig = attrs.Factory(ChunkerConfig)
    playback: PlaybackConfig = attrs.Factory(PlaybackConfig)
    barge_in: BargeInConfig = attrs.Factory(BargeInConfig)
    journal: JournalConfig = attrs.Factory(JournalConfig)
    recording: RecordingConfig = attrs.Factory(RecordingConfig)
