"""Chance, drawn from a seed: conversations as lists of the fuzz tests' actions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from tests.fuzz_script import (
    PARTS,
    PHRASES,
    Action,
    Break,
    Echo,
    Join,
    Leave,
    LoseLink,
    Noise,
    Say,
    Slow,
    UntilReply,
    Wait,
)
from trioagent import Config
from trioagent.config import (
    AccessConfig,
    AgentConfig,
    BargeInConfig,
    ChunkerConfig,
    PlaybackConfig,
    TurnConfig,
)

if TYPE_CHECKING:
    import random

PEOPLE = 3
# Longer than a conversation's replies may take: who waits so long waits for nothing.
MAX_WAIT_S = 120.0
# Turns per minute and user: their limit is tested elsewhere.
UNLIMITED = 10_000
# Of every moment of a conversation: that something goes wrong, or people come and go.
TROUBLED = 0.3
FAILS_WITHIN_STEPS = 12
SLOW_MS = (0, 0, 30, 150, 400)
LINK_LOST_MS = 500
BEFORE_MS, INTO_REPLY_MS = 1500, 1200
NOISE_MS = (20, 700)
QUIET_MS = (0, 0, 60, 200)


@attrs.frozen(eq=False)
class Drawn:
    """A whole conversation, and the settings that it is held under."""

    seed: int
    config: Config
    script: tuple[Action, ...]
    stop: bool
    """Whether the agent is stopped where the script ends, whatever it does then."""


def config(rng: random.Random) -> Config:
    """Settings under which interruptions are frequent."""
    return Config(
        agent=AgentConfig(
            history_turns=1000, respond=rng.choice(["always", "always", "addressed"])
        ),
        access=AccessConfig(turns_per_minute=UNLIMITED),
        turn=TurnConfig(
            hold_ms=250,
            min_hold_ms=150,
            max_hold_ms=400,
            early_start=rng.choice(["prefix", "pause", "off"]),
            prefix_min_chars=6,
            max_wait_s=MAX_WAIT_S,
        ),
        chunker=ChunkerConfig(first_min_chars=1, min_chars=1),
        playback=PlaybackConfig(fade_ms=rng.choice([0, 10])),
        barge_in=BargeInConfig(
            allow=rng.choice(["anyone", "anyone", "addressee", "nobody"])
        ),
    )


def conversation(rng: random.Random, seed: int, moments: int) -> Drawn:
    """A conversation of so many moments: trouble maybe, a sound, a wait."""
    script: list[Action] = []
    for _ in range(moments):
        if rng.random() < TROUBLED:
            script.append(trouble(rng))
        script += [sound(rng), wait(rng)]
    return Drawn(seed, config(rng), tuple(script), stop=rng.random() < TROUBLED)


def text(rng: random.Random) -> str:
    """One to three phrases; in part they call the agent."""
    called = ["trioagent"] if rng.random() < TROUBLED else []
    return " ".join([*called, *rng.choices(PHRASES, k=rng.randint(1, 3))])


def sound(rng: random.Random) -> Action:
    """Somebody says something, coughs, or is the agent's echo."""
    who = rng.choice([0, 0, 1, 1, 2])
    kind = rng.random()
    if kind < 0.7:
        terminator = rng.random() < 0.5
        return Say(who, text(rng), terminator, rng.choice(QUIET_MS))
    if kind < 0.9:
        return Noise(who, rng.randint(*NOISE_MS), terminator=rng.random() < 0.5)
    return Echo(who, rng.randint(1, 4))


def wait(rng: random.Random) -> Action:
    """Until some moment of a reply, or some moment at all."""
    if rng.random() < 0.7:
        return UntilReply(rng.randint(0, INTO_REPLY_MS))
    return Wait(rng.randint(0, BEFORE_MS))


def trouble(rng: random.Random) -> Action:
    """A part gets slow or fails, somebody comes or goes, or the link is lost."""
    who = rng.randrange(PEOPLE)
    kind = rng.randrange(6)
    if kind <= 1:
        return Slow(rng.choice(PARTS), rng.choice(SLOW_MS))
    if kind == 2:
        return Break(rng.choice(PARTS), rng.randint(0, FAILS_WITHIN_STEPS))
    if kind == 3:
        return LoseLink(rng.randint(0, LINK_LOST_MS))
    return Leave(who) if kind == 4 and rng.random() < 0.5 else Join(who)
