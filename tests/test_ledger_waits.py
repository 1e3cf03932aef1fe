"""50 ms more in one stage of a real turn are 50 ms more in its wait, and nowhere else.

The turns are an agent's among fake parts, on a virtual clock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from tests.fakes import BEN
from tests.scene import CONFIG, Scene, running
from trioagent.config import PlaybackConfig
from trioagent.decisions.endpointing import Speaking
from trioagent.interfaces import Speaker
from trioagent.journal.ledger import WAITS, ledger
from trioagent.stages.draft import Draft
from trioagent.stages.drafting import Drafting
from trioagent.stages.hearing import Hearing
from trioagent.stages.playback import Playback
from trioagent.stages.transcripts import Final

if TYPE_CHECKING:
    from trio.testing import MockClock

    from trioagent import Config

Patch = pytest.MonkeyPatch
Plant = Callable[[Scene, Patch], object]
LATE_S = 0.05
# The start level needs two words of the reply, which come one after the other.
PLAYBACK = PlaybackConfig(fade_ms=0, prebuffer_ms=300)


def config(early_start: str = "off") -> Config:
    turn = attrs.evolve(CONFIG.turn, early_start=early_start)
    return attrs.evolve(CONFIG, turn=turn, playback=PLAYBACK)


@attrs.define(eq=False)
class Late:
    """An end of a channel, late with the first of what goes through it that counts."""

    end: Any
    counts: Callable[[object], bool]
    _waited: bool = False

    async def _wait(self, value: object) -> None:
        if self.counts(value) and not self._waited:
            self._waited = True
            await trio.sleep(LATE_S)

    async def send(self, value: object) -> None:
        await self._wait(value)
        await self.end.send(value)

    def __aiter__(self) -> Late:
        return self

    async def __anext__(self) -> object:
        value = await self.end.__anext__()
        await self._wait(value)
        return value

    def __enter__(self) -> None:
        self.end.__enter__()

    def __exit__(self, *reason: object) -> None:
        self.end.__exit__(*reason)


def endpointing(scene: Scene, patch: Patch) -> None:
    wait = Hearing._next

    async def late(self: Hearing, *how: Any) -> None:
        await wait(self, *how)
        if self._endpointer.state(trio.current_time()) is Speaking.ENDED:
            await trio.sleep(LATE_S)

    patch.setattr(Hearing, "_next", late)


def recognizer(scene: Scene, patch: Patch) -> None:
    scene.recognizer.finish_s += LATE_S


def drafting(scene: Scene, patch: Patch) -> None:
    run = Drafting.run

    async def late(self: Drafting, transcripts: Any, committed: Any) -> None:
        finals = Late(transcripts, lambda value: isinstance(value, Final))
        await run(self, finals, committed)

    patch.setattr(Drafting, "run", late)


def first_token(scene: Scene, patch: Patch) -> None:
    scene.model.first_token_s += LATE_S


def cutting(scene: Scene, patch: Patch) -> None:
    cut = Draft._cut

    async def late(self: Draft, tokens: Any, phrases_in: Any) -> None:
        await cut(self, tokens, Late(phrases_in, lambda value: True))

    patch.setattr(Draft, "_cut", late)


def first_audio(scene: Scene, patch: Patch) -> None:
    scene.synthesizer.first_s += LATE_S


def later_audio(scene: Scene, patch: Patch) -> None:
    scene.synthesizer.piece_s += LATE_S


def first_tick(scene: Scene, patch: Patch) -> None:
    play = Playback._play_run

    async def late(self: Playback) -> bool:
        await trio.sleep(LATE_S)
        return await play(self)

    patch.setattr(Playback, "_play_run", late)


@attrs.define(eq=False)
class Somebody:
    """A turn that has the floor."""

    speaker: Speaker = BEN
    audible: bool = False
    interrupted: bool = False

    def duck(self, *, by: str) -> None:
        """It has nothing to say."""

    def restore(self) -> None:
        """It has nothing to say."""


@asynccontextmanager
async def floor_held(scene: Scene, until: float) -> AsyncIterator[None]:
    async def hold() -> None:
        async with scene.agent._conversation.floor.held_by(Somebody()):
            await trio.sleep_until(until)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold)
        yield


async def charges(
    scene: Scene, floor: AbstractAsyncContextManager[None] | None = None
) -> dict[str, float]:
    """The ledger of the answer to a question."""
    async with floor or nullcontext(), running(scene):
        await scene.say("hello out there", terminator=False)
        await trio.sleep(3)
    assert scene.spoken == "you said hello out there."
    found = ledger([event for _, event in scene.events])
    assert found is not None
    return found


def assert_late(
    planted: dict[str, float], plain: dict[str, float], wait: str | None
) -> None:
    late = {w: plain[w] + 1000 * LATE_S * (w == wait) for w in WAITS}
    assert planted == pytest.approx(late, abs=1e-6)


PLANTS = [
    (endpointing, "endpoint_hold_ms"),
    (recognizer, "recognizer_tail_ms"),
    (drafting, "agent_overhead_ms"),
    (first_token, "llm_first_token_ms"),
    (cutting, "first_phrase_ms"),
    (first_audio, "synthesis_ms"),
    (later_audio, "prebuffer_ms"),
    (first_tick, "pacing_ms"),
]
IDS = [plant.__name__ for plant, _ in PLANTS]


@pytest.mark.parametrize(("plant", "wait"), PLANTS, ids=IDS)
async def test_what_is_late_is_charged_for_it(
    plant: Plant, wait: str, monkeypatch: Patch, autojump_clock: MockClock
) -> None:
    plain = await charges(Scene(config()))
    scene = Scene(config())
    plant(scene, monkeypatch)
    assert_late(await charges(scene), plain, wait)


async def test_who_waits_for_the_floor_is_charged_for_the_floor(
    autojump_clock: MockClock,
) -> None:
    began = trio.current_time()
    plain = await charges(Scene(config()))
    # All else was there by then.
    took_s = 0.9 + sum(plain.values()) / 1000
    scene = Scene(config())
    until = trio.current_time() - began + took_s + LATE_S
    held = floor_held(scene, began + until)
    assert_late(await charges(scene, held), plain, "floor_ms")


async def test_a_floor_that_is_free_before_the_reply_is_ready_costs_nothing(
    autojump_clock: MockClock,
) -> None:
    plain = await charges(Scene(config()))
    scene = Scene(config())
    took_s = 0.9 + sum(plain.values()) / 1000
    held = floor_held(scene, trio.current_time() + took_s - 0.01)
    assert_late(await charges(scene, held), plain, None)


@pytest.mark.parametrize("early_start", ["pause", "prefix"])
@pytest.mark.parametrize(
    ("plant", "wait"),
    [
        (endpointing, "endpoint_hold_ms"),
        (recognizer, "recognizer_tail_ms"),
        (drafting, "agent_overhead_ms"),
        (first_tick, "pacing_ms"),
        # The draft is there long before its commit: nobody waits for these.
        (first_token, None),
        (cutting, None),
        (first_audio, None),
        (later_audio, None),
    ],
)
async def test_with_a_draft_that_was_early_only_the_commit_is_waited_for(
    early_start: str,
    plant: Plant,
    wait: str | None,
    monkeypatch: Patch,
    autojump_clock: MockClock,
) -> None:
    scenes = [Scene(config(early_start)) for _ in range(2)]
    for scene in scenes:
        scene.model.first_token_s = 0.01
    plain = await charges(scenes[0])
    plant(scenes[1], monkeypatch)
    planted = await charges(scenes[1])
    assert_late(planted, plain, wait)
    assert planted["llm_first_token_ms"] == planted["synthesis_ms"] == 0


async def test_an_early_draft_that_is_late_is_waited_for_from_its_pause(
    autojump_clock: MockClock,
) -> None:
    scene = Scene(config("pause"))
    scene.model.first_token_s = 1.0
    found = await charges(scene)
    assert found["endpoint_hold_ms"] == pytest.approx(120)
    assert found["llm_first_token_ms"] == pytest.approx(1000)
