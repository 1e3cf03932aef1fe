"""`!forget`: what is kept about its sender is deleted, and they are told."""

from __future__ import annotations

import logging
import math
import threading
from typing import TYPE_CHECKING

import attrs
import pytest
import trio

from tests.fakes import ANA, BEN, FakeRoom
from tests.replay_stories import in_the_reply
from tests.scene import CONFIG, Scene, running
from trioagent import Agent
from trioagent.forgetting import (
    AGAIN_S,
    KEEPER_S,
    MOST_AT_ONCE,
    TURNS_END_S,
    Forgetting,
    NotDeleted,
    asks_to_forget,
)
from trioagent.interfaces import Speaker, TextMessage

if TYPE_CHECKING:
    from trio.testing import MockClock

PROVEN = Speaker(5, "Eve", certificate="ab" * 20)


class Writing(FakeRoom):
    """Keeps what is written, and to whom."""

    def __init__(self) -> None:
        FakeRoom.__init__(self)
        self.texts: list[tuple[str, Speaker | None]] = []

    async def send_text(self, text: str, to: Speaker | None = None) -> None:
        await trio.lowlevel.checkpoint()
        self.texts.append((text, to))

    def write(self, *args: object, **how: object) -> None:
        FakeRoom.write(self, *args, **how)  # type: ignore[arg-type] # as it is called


@attrs.define(eq=False)
class Shelf:
    """A keeper that counts, and may fail."""

    kept: str = "things"
    has: int = 0
    fail: Exception | None = None
    asked: list[tuple[float, str]] = attrs.Factory(list)

    async def forget(self, speaker: Speaker) -> int:
        await trio.sleep(0.1)
        self.asked.append((trio.current_time(), speaker.name))
        if self.fail:
            raise self.fail
        return self.has


def scene_with(*keepers: Shelf, config: object = CONFIG) -> tuple[Scene, Writing]:
    room = Writing()
    scene = Scene(config, room=room)
    parts = scene.agent.parts
    scene.agent = Agent(parts, config, [scene._observe], keepers=keepers)
    return scene, room


def ask(scene: Scene, speaker: Speaker = ANA, text: str = "!forget") -> None:
    scene.room.put(TextMessage(speaker, text, private=False))


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("!forget", True),
        (" !Forget\n", True),
        ("!FORGET", True),
        ("forget", False),
        ("!forget me", False),
        ("please !forget", False),
        ("", False),
    ],
)
def test_the_command(text: str, asks: bool) -> None:
    assert asks_to_forget(text) is asks


async def test_all_about_the_sender_goes_and_nothing_else(
    autojump_clock: MockClock,
) -> None:
    shelf = Shelf(has=3)
    scene, room = scene_with(shelf)
    async with running(scene):
        scene.room.join(ANA, BEN)
        await scene.say("my secret is green")
        await trio.sleep(5)
        await scene.say("hello there", BEN)
        await trio.sleep(5)
        version = scene.agent.history.version
        ask(scene, text="  !FORGET ")
        await trio.sleep(1)
        assert [who for who, _, _ in scene.heard] == ["Ben"]
        assert scene.agent.history.version > version
        assert [who for who, _ in scene.agent.memory.answered] == [BEN.id]
        assert room.texts == [("Deleted: 1 remembered turn, 3 things.", ANA)]
        assert [name for _, name in shelf.asked] == ["Ana"]
        await scene.say("what is my secret")
        await trio.sleep(5)
    assert "green" not in str(scene.model.prompts[-1])


async def test_the_reply_that_is_heard_ends_and_is_not_written_down(
    autojump_clock: MockClock,
) -> None:
    shelf = Shelf()
    scene, room = scene_with(shelf)
    async with running(scene):
        await in_the_reply(scene)
        frames = len(scene.room.frames)
        ask(scene)
        await trio.sleep(3)
        assert len(scene.room.frames) <= frames + 1
        assert scene.find("outcome").data["why"] == "forgotten"
        assert scene.heard == []
        # The keepers are asked when that turn is over: its line is there by then.
        assert shelf.asked
        assert scene.agent.memory.answered == ()
        # An echo of what was just said may still come, but not for long.
        await trio.sleep(AGAIN_S)
        assert scene.agent.memory.said == ()
    assert room.texts == [("Nothing is kept about you.", ANA)]


async def test_a_draft_made_from_what_is_forgotten_is_never_heard(
    autojump_clock: MockClock,
) -> None:
    scene, _ = scene_with()
    async with running(scene):
        scene.room.join(ANA, BEN)
        await scene.say("my secret is green")
        await trio.sleep(5)
        await scene.say("what do you know", BEN, terminator=False)
        # In the pause a draft was begun, with Ana's words before Ben's.
        await trio.sleep(0.2)
        assert "green" in str(scene.model.prompts[-1])
        ask(scene)
        await trio.sleep(5)
    assert "green" not in str(scene.model.prompts[-1])
    committed = [
        e.data["draft"] for n, e in scene.events if n == 2 and e.name == "committed"
    ]
    discarded = [
        e.data["draft"]
        for n, e in scene.events
        if n == 2 and e.name == "draft_discarded"
    ]
    assert committed
    assert committed[0] not in discarded
    assert discarded


async def test_a_certificate_is_who_one_is(autojump_clock: MockClock) -> None:
    thief = Speaker(6, "Eve")
    renamed = attrs.evolve(PROVEN, id=9, name="Eva")
    scene, room = scene_with()
    async with running(scene):
        scene.room.join(PROVEN)
        await scene.say("my secret is green", PROVEN)
        await trio.sleep(5)
        ask(scene, thief)
        await trio.sleep(1)
        assert len(scene.heard) == 1, "a name proves nothing"
        ask(scene, renamed)
        await trio.sleep(1)
        assert scene.heard == []
    assert [to for _, to in room.texts] == [thief, renamed]


async def test_also_the_ignored_are_forgotten_and_nothing_else_is_answered(
    autojump_clock: MockClock,
) -> None:
    quiet = attrs.evolve(CONFIG, agent=attrs.evolve(CONFIG.agent, ignore=("Ana",)))
    shelf = Shelf(has=1)
    scene, room = scene_with(shelf, config=quiet)
    async with running(scene):
        ask(scene, text="hello")
        ask(scene, text="forget")
        await trio.sleep(5)
        assert room.texts == []
        ask(scene)
        await trio.sleep(5)
    assert room.texts == [("Deleted: 1 thing.", ANA)]


async def test_what_fails_is_told_and_the_rest_is_done(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    scene, room = scene_with(
        Shelf("recordings", fail=NotDeleted("2 of 3")),
        Shelf("bugs", fail=RuntimeError("boom")),
        Shelf(has=1),
    )
    async with running(scene):
        ask(scene)
        await trio.sleep(5)
    ((text, _),) = room.texts
    assert text == (
        "Deleted: 1 thing. Could not be deleted: recordings (2 of 3), bugs. "
        "Ask who runs this agent."
    )
    assert "boom" in caplog.text


async def test_asking_again_and_again_is_done_once_more_and_bounded(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    shelf = Shelf(has=1)
    scene, room = scene_with(shelf)
    async with running(scene):
        for _ in range(200):
            ask(scene)
        await trio.sleep(AGAIN_S * 5)
        assert len(room.texts) == len(shelf.asked) == 2
        first, second = (at for at, _ in shelf.asked)
        assert second - first >= AGAIN_S
        for number in range(10_000):
            ask(scene, Speaker(number, f"#{number}"))
        await trio.sleep(AGAIN_S * 20)
        assert len(shelf.asked) == 2 + MOST_AT_ONCE
        ask(scene, BEN)
        await trio.sleep(1)
    assert shelf.asked[-1][1] == "Ben", "it goes on"


async def test_leaving_does_not_wait_for_a_disk_that_hangs() -> None:
    hang = threading.Event()

    class Stuck(Shelf):
        async def forget(self, speaker: Speaker) -> int:
            await trio.to_thread.run_sync(hang.wait, 60, abandon_on_cancel=True)
            return 1

    scene, _ = scene_with(Stuck())
    try:
        async with running(scene):
            ask(scene)
            await trio.sleep(0.1)
            before = trio.current_time()
    finally:
        hang.set()
    assert trio.current_time() - before < 0.5


async def test_what_is_asked_for_meanwhile_is_done_in_one_and_told_who_is_there(
    autojump_clock: MockClock,
) -> None:
    room, shelf, over = Writing(), Shelf(), trio.Event()
    forgetting = Forgetting(room, [shelf])
    back = attrs.evolve(PROVEN, id=9)
    async with trio.open_nursery() as nursery:
        forgetting.ask(PROVEN, 1, (), nursery)
        await trio.sleep(1)
        forgetting.ask(PROVEN, 2, [over], nursery)
        forgetting.ask(back, 3, (), nursery)
        await trio.sleep(AGAIN_S)
        assert len(shelf.asked) == 1, "a turn of theirs is not over"
        over.set()
    assert room.texts == [
        ("Deleted: 1 remembered turn.", PROVEN),
        ("Deleted: 5 remembered turns.", back),
    ]


async def test_a_turn_or_a_keeper_that_hangs_holds_nobody_up(
    autojump_clock: MockClock,
) -> None:
    class Stuck(Shelf):
        async def forget(self, speaker: Speaker) -> int:
            await trio.sleep_forever()
            raise AssertionError

    room = Writing()
    forgetting = Forgetting(room, [Stuck("recordings"), Shelf(has=1)])
    async with trio.open_nursery() as nursery:
        forgetting.ask(ANA, 0, [trio.Event()], nursery)
        await trio.sleep(TURNS_END_S + KEEPER_S + 1)
        ((text, _),) = room.texts
    assert text == (
        "Deleted: 1 thing. Could not be deleted: recordings. Ask who runs this agent."
    )


@pytest.mark.parametrize("wait_s", [0.0, math.inf])
async def test_a_room_that_takes_no_text_holds_nobody_up(
    wait_s: float, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    class Mute(FakeRoom):
        async def send_text(self, text: str, to: Speaker | None = None) -> None:
            await trio.sleep(wait_s)
            raise RuntimeError("no")

    shelf = Shelf()
    forgetting = Forgetting(Mute(), [shelf])
    async with trio.open_nursery() as nursery:
        forgetting.ask(ANA, 0, (), nursery)
        await trio.sleep(0.2)
        forgetting.ask(BEN, 0, (), nursery)
    assert [name for _, name in shelf.asked] == ["Ana", "Ben"]
    assert "what was forgotten" in caplog.text


async def test_who_is_one_of_the_most_at_once_may_ask_again(
    autojump_clock: MockClock,
) -> None:
    room = Writing()
    forgetting = Forgetting(room, [])
    async with trio.open_nursery() as nursery:
        for number in range(MOST_AT_ONCE):
            forgetting.ask(Speaker(number, f"#{number}"), 0, (), nursery)
        await trio.sleep(1)
        forgetting.ask(Speaker(0, "#0"), 1, (), nursery)
    assert room.texts[-1] == ("Deleted: 1 remembered turn.", Speaker(0, "#0"))
