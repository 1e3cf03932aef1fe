"""The room, and who in it is listened to."""

from __future__ import annotations

from typing import Literal

import attrs
from attrs import validators as v

from trioagent.config.bounds import between, certificate_hashes


@attrs.frozen(kw_only=True)
class MumbleConfig:
    """`[mumble]`: which server, as whom, and how it is trusted."""

    server: str = "embedded"
    """"embedded" starts a private server; else a host name or address."""
    port: int = attrs.field(default=64738, validator=between(1, 65535))
    user: str = attrs.field(default="trioagent", validator=v.min_len(1))
    password: str = attrs.field(default="", repr=False, metadata={"secret": True})
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
    tokens: tuple[str, ...] = attrs.field(
        default=(), repr=False, metadata={"secret": True}
    )
    """Access tokens for restricted channels."""
    udp: bool = True
    """Send voice over UDP where it gets through; else through the TCP tunnel."""
    bitrate_kbps: int = attrs.field(default=40, validator=between(8, 128))
    connect_timeout_s: float = attrs.field(default=10.0, validator=between(0.1, 120))
    reconnect_min_s: float = attrs.field(default=0.25, validator=between(0.01, 60))
    reconnect_max_s: float = attrs.field(default=15.0, validator=between(0.1, 600))


@attrs.frozen(kw_only=True)
class AgentConfig:
    """`[agent]`: who it is."""

    system_prompt: str = (
        "You are a voice assistant in a voice chat. Your words are spoken aloud: "
        "answer in one to three short sentences of plain text, without lists, "
        "markdown, emoji or stage directions. What you hear may be misheard; ask "
        "when it makes no sense."
    )
    history_turns: int = attrs.field(default=20, validator=between(0, 1000))
    """How many past turns the language model is shown at least: when there are twice as
    many, they are cut back to these."""
    history_tokens: int = attrs.field(default=3000, validator=between(100, 1_000_000))
    """How long they may be together, at four characters a token; beyond it half of that
    is kept."""
    respond: Literal["always", "addressed"] = "always"
    """Answer whatever is said, or only those who call the agent by its name."""
    names: tuple[str, ...] = ()
    """What it is called, for `respond = "addressed"`; empty is its user name."""
    attention_s: float = attrs.field(default=15, validator=between(0, 3600))
    """So long after an answer its hearer need not repeat the name."""
    ignore: tuple[str, ...] = ()
    """Users who are not listened to: music bots, say."""
    max_agent_replies: int = attrs.field(default=3, validator=between(0, 1000))
    """Replies to other agents in a row; then a person has to speak first."""
    failure_notice: str = "Sorry, something went wrong. Please say that again."
    """Said when a turn failed; empty says nothing."""
    on_stop: Literal["stop", "finish"] = "stop"
    """What the first signal does to a reply that is being heard: it ends at once, or at
    the end of its sentence."""


@attrs.frozen(kw_only=True)
class AccessConfig:
    """`[access]`: who is listened to, and how much of them."""

    allow: tuple[str, ...] = attrs.field(default=(), validator=certificate_hashes)
    """Hashes of users' certificates; unless empty, only those are listened to."""
    deny: tuple[str, ...] = attrs.field(default=(), validator=certificate_hashes)
    """Hashes of certificates of users who are not listened to."""
    turns_per_minute: float = attrs.field(default=30, validator=between(0.1, 10_000))
    """Of one user; what is said beyond that is not answered."""
    max_words: int = attrs.field(default=500, validator=between(1, 100_000))
    """Of one turn; of more, the language model is shown the last ones."""
