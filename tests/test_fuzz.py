"""Whatever happens in a room, the rules hold: scripts drawn by Hypothesis.

What is checked are the journal, the frames that went out, and the history.
"""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from tests.fuzz_rules import check_rules
from tests.fuzz_script import (
    Action,
    Break,
    LoseLink,
    Noise,
    Say,
    UntilReply,
    Wait,
    scripts,
)
from tests.fuzz_stage import Person, Stage
from tests.leaks import no_tasks_left
from tests.sweep import scheduled_by
from trioagent import Config
from trioagent.config import (
    AgentConfig,
    BargeInConfig,
    ChunkerConfig,
    PlaybackConfig,
    TurnConfig,
)
from trioagent.decisions.jitter import JitterBuffer
from trioagent.floor import Claim, Floor
from trioagent.stages.drafting import Drafting
from trioagent.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SETTLED_S = 40.0
# Longer than a script's replies may take: who waits so long waits for nothing.
MAX_WAIT_S = 120.0
# They call the agent by its name, for where it only answers then.
PROBES = (
    "trioagent purple lanterns drift",
    "trioagent seven brave otters",
    "trioagent maple syrup melts",
)
configs = st.builds(
    lambda allow, early, fade, respond: Config(
        agent=AgentConfig(history_turns=1000, respond=respond),
        turn=TurnConfig(
            hold_ms=250,
            min_hold_ms=150,
            max_hold_ms=400,
            early_start=early,
            prefix_min_chars=6,
            max_wait_s=MAX_WAIT_S,
        ),
        chunker=ChunkerConfig(first_min_chars=1, min_chars=1),
        playback=PlaybackConfig(fade_ms=fade),
        barge_in=BargeInConfig(allow=allow),
    ),
    st.sampled_from(["anyone", "addressee", "nobody"]),
    st.sampled_from(["prefix", "pause", "off"]),
    st.sampled_from([0, 10]),
    st.sampled_from(["always", "always", "addressed"]),
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(configs, scripts, st.integers(0, 3))
def test_the_rules_hold_whatever_happens(
    config: Config, script: list[Action], seed: int
) -> None:
    play(config, script, seed)


def play(config: Config, script: list[Action], seed: int = 0) -> None:
    with scheduled_by(seed), no_bugs_logged():
        trio.run(_play, config, script, clock=MockClock(autojump_threshold=0))


async def _play(config: Config, script: list[Action]) -> None:
    async with trio.open_nursery() as nursery:
        stage = Stage(config, nursery)
        nursery.start_soon(stage.agent.run)
        await trio.testing.wait_all_tasks_blocked()
        async with no_tasks_left():
            for person in stage.people[:2]:
                stage.join(person)
            for action in script:
                await action.do(stage)
            stage.heal()
            await settled(stage)
            check_rules(stage)
            for person, text in zip(stage.people, PROBES, strict=True):
                await check_answers(stage, person, text)
            check_rules(stage)
        nursery.cancel_scope.cancel()


async def settled(stage: Stage) -> None:
    """Rule 4: all ends, by itself."""
    await trio.sleep(0.5)
    with trio.move_on_after(SETTLED_S):
        while stage.busy:  # noqa: ASYNC110 - the fakes set no event
            await trio.sleep(0.25)
    assert not stage.busy
    for ear in stage.agent.listening_to:
        if ear._utterance is not None:
            assert ear._utterance.closed


async def check_answers(stage: Stage, person: Person, text: str) -> None:
    """It is not mute: with healthy parts, whoever is here is answered."""
    if person.speaker is None:
        return
    # By now nobody can think that this is an echo or goes on with something.
    await trio.sleep(8)
    await stage.utter(person, stage.words(text))
    await settled(stage)
    last = stage.agent.history.exchanges[-1]
    assert (last.speaker, last.said) == (person.name, text)
    assert last.heard.endswith(f"{text}. so it goes. that would be all.")


@contextmanager
def no_bugs_logged() -> Iterator[None]:
    """A turn that ends by a bug logs its traceback, and nothing else does."""
    bugs: list[str] = []
    handler = logging.Handler()
    formatter = logging.Formatter()
    handler.emit = lambda r: r.exc_info and bugs.append(formatter.format(r))  # type: ignore[method-assign]
    logger = logging.getLogger("trioagent")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
    assert not bugs, "\n".join(bugs)


DEFAULT = Config(
    agent=AgentConfig(history_turns=1000),
    turn=TurnConfig(hold_ms=250, min_hold_ms=150, max_hold_ms=400, max_wait_s=120),
)
ASK = [Say(0, "tell me more"), UntilReply(95)]


@pytest.mark.parametrize(
    "script",
    [
        # It might have become an echo ("you said ..."), and then was none.
        [*ASK, Say(1, "you sa")],
        # It might have become a backchannel ("okay i see").
        [*ASK, Say(1, "okay i")],
        # A backchannel of somebody who began before the reply did.
        [Say(0, "stop"), Wait(100), Say(1, "okay yes okay")],
        # Its words are lost.
        [*ASK, Break("recognizer", 15), Say(1, "okay i")],
        [*ASK, Break("recognizer", 16), Say(1, "okay i")],
    ],
)
def test_no_reply_holds_its_breath_for_ever(script: list[Action]) -> None:
    play(DEFAULT, script)


def _all_is_heard(buffer: JitterBuffer) -> str:
    return " ".join(phrase.text for phrase in buffer.phrases)


def _stays_held(floor: Floor, claim: Claim) -> None:
    floor._claims.discard(claim)


def _goes_on_when_held(turn: Turn, *, by: str) -> None:
    turn.journal.record("ducked", by=by)


def _ends_too_late(turn: Turn, reason: str, *, by: str = "") -> None:
    if not turn.interrupted:
        turn._interruption = (reason, by)
        turn.journal.record("interrupted", reason=reason, by=by)
        turn._scope.deadline = trio.current_time() + 0.1


def _any_draft_will_do(drafting: Drafting, _text: str) -> bool:
    return drafting._draft is not None


STOP = [*ASK, Say(1, "never mind the gap")]


@pytest.mark.parametrize(
    ("owner", "name", "bug", "script"),
    [
        (JitterBuffer, "heard", _all_is_heard, STOP),
        (Floor, "dismiss", _stays_held, [*ASK, Noise(1, 100)]),
        (Turn, "duck", _goes_on_when_held, STOP),
        (Turn, "interrupt", _ends_too_late, [*ASK, LoseLink(300)]),
        (
            Drafting,
            "_fits",
            _any_draft_will_do,
            [Say(0, "what is", terminator=False), Wait(500), Say(0, "that")],
        ),
    ],
)
def test_planted_bugs_are_found(
    owner: type,
    name: str,
    bug: Callable[..., object],
    script: list[Action],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    play(DEFAULT, script)
    monkeypatch.setattr(owner, name, bug)
    with pytest.raises(ExceptionGroup) as caught:
        play(DEFAULT, script)
    assert caught.group_contains(AssertionError)
