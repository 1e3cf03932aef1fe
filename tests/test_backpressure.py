"""Every queue has an end: in the source, and in rooms that are too much for us."""

from __future__ import annotations

import ast
import gc
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import pytest
import trio

from tests.fakes import ANA, FakeRecognizer, FakeRecognizerStream
from tests.scene import Scene, running
from tests.test_layers import modules, tree
from trioagent import Config
from trioagent.config import AccessConfig, TurnConfig
from trioagent.ear import UTTERANCE_PACKETS
from trioagent.inbox import MOST_CONTROL, Inbox
from trioagent.interfaces import (
    FRAME_S,
    HEARING_RATE_HZ,
    Pcm,
    Speaker,
    SpeakerJoined,
    SpeakerLeft,
    TextMessage,
    VoicePacket,
)
from trioagent.stages import hearing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from trio.testing import MockClock

PAGE = Path(__file__).parents[1] / "docs/back-pressure.md"
# What has no length of its own, and why it still has an end.
BOUNDED_OTHERWISE = {
    "trioagent/ear.py": "_keep drops the oldest beyond the pre-roll and its packets",
    "trioagent/utterances.py": "its size; then put drops the oldest",
    "trioagent/stages/hearing.py": "drops the oldest beyond MAX_WAITING_S",
    "trioagent/inbox.py": "its limit of droppable items, and MOST_CONTROL of others",
    "trioagent/recording/tape.py": "MOST_TAKES, each with MOST_BYTES",
    "trioagent/recording/writer.py": "filled from the tape when it is empty",
    "trioagent/replay/again.py": "what one recording holds",
    "trioagent/replay/parts.py": "what one recording holds",
    "trioagent/decisions/jitter.py": "its draft holds synthesis back at ahead_s",
    "providers/asr/nemo_pipeline.py": "one number for each utterance that ended",
    "providers/tts/espeak.py": "the rest of one phrase",
    "providers/tts/clause_speaker.py": "the rest of one clause",
    "providers/rooms/pymumble_thread.py": "the link ends at MOST_UNSENT_BYTES",
    "providers/rooms/mumble/inbox.py": "MAX_EVENTS of voice, MAX_TEXTS of text",
    "providers/wyoming/incoming.py": "AHEAD_S of one phrase",
    "providers/websocket.py": "the messages of one read of 64 KiB",
}
QUEUES = {"Queue", "SimpleQueue", "LifoQueue", "PriorityQueue"}


def endless(module: str) -> Iterator[str]:
    """The queues of a module that say nothing of their length."""
    for node in ast.walk(tree(module)):
        if not isinstance(node, ast.Call):
            continue
        made = ast.unparse(node.func).partition("[")[0].rpartition(".")[2]
        given = [ast.unparse(argument) for argument in node.args]
        named = {keyword.arg for keyword in node.keywords}
        channel = made == "open_memory_channel" and "inf" in "".join(given)
        a_deque = made == "deque" and "maxlen" not in named and len(given) < 2
        a_factory = made in ("Factory", "defaultdict") and given[:1] == ["deque"]
        a_queue = made in QUEUES and not given and "maxsize" not in named
        if channel or a_deque or a_factory or a_queue:
            yield ast.unparse(node)


def test_no_queue_is_endless() -> None:
    found = {m: list(endless(m)) for m in modules("trioagent", "providers")}
    unknown = {m: made for m, made in found.items() if made}
    assert set(unknown) == set(BOUNDED_OTHERWISE), unknown
    assert not any("open_memory_channel" in x for made in found.values() for x in made)


def test_the_page_tells_of_every_file_with_a_queue() -> None:
    page = PAGE.read_text(encoding="utf-8")
    makers = ("open_memory_channel", "deque")
    for module in modules("trioagent", "providers"):
        made = {ast.unparse(n.func) for n in ast.walk(tree(module)) if _is_call(n)}
        if any(m in name for m in makers for name in made):
            assert f"`{module}`" in page, module


def _is_call(node: ast.AST) -> bool:
    return isinstance(node, ast.Call)


@attrs.define(eq=False)
class OneWorker(FakeRecognizer):
    """One thread for all: it takes `times_real` times as long as what it hears."""

    times_real: float = 0.0
    worker: trio.Lock = attrs.Factory(trio.Lock)

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[OneWorkerStream]:
        async with FakeRecognizer.stream(self):
            yield OneWorkerStream(self)


class OneWorkerStream(FakeRecognizerStream):
    async def feed(self, pcm: Pcm) -> str:
        async with self.owner.worker:
            await trio.sleep(len(pcm) / HEARING_RATE_HZ * self.owner.times_real)
        return await super().feed(pcm)


@attrs.define(eq=False)
class Crowd(Scene):
    """A scene whose recognizer cannot keep up, and its queues, watched."""

    waiting: int = 0
    """The most packets that waited, of all speakers together."""

    def __attrs_post_init__(self) -> None:
        super().__attrs_post_init__()
        self.recognizer = OneWorker(self.vocabulary)
        parts = attrs.evolve(self.agent.parts, recognizer=self.recognizer)
        self.agent = attrs.evolve(self.agent, parts=parts)

    def look(self) -> None:
        journals = [turn.journal for turn in self.agent._running]
        waiting = sum(int(j.peaks.get("packets", 0)) for j in journals)
        self.waiting = max(self.waiting, waiting)


PEOPLE = 50


async def test_fifty_talk_to_a_recognizer_that_is_too_slow(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Audio is dropped, the oldest; the reply still stops, and nobody is forgotten."""
    monkeypatch.setattr(hearing, "MAX_WAITING_S", 1.0)
    config = Config(
        turn=TurnConfig(hold_ms=300, budget_s=2, max_wait_s=2),
        access=AccessConfig(turns_per_minute=1000),
    )
    scene = Crowd(config)
    scene.model.replies["tell me"] = "a long story. " * 30
    people = [Speaker(10 + n, f"person {n}") for n in range(PEOPLE)]
    async with running(scene):
        scene.room.join(ANA, *people)
        await scene.say("tell me")
        await trio.sleep(2)
        assert scene.room.talk_open
        began = trio.current_time()
        scene.recognizer.times_real = 1.0
        noise = np.full(4 * HEARING_RATE_HZ, 9999, np.int16)
        async with trio.open_nursery() as mouths:
            for person in people:
                mouths.start_soon(scene.room.say, person, noise)
            await trio.sleep(1)
            interrupted = scene.find("interrupted")
            while mouths.child_tasks:  # noqa: ASYNC110 - nothing tells
                scene.look()
                await trio.sleep(0.1)
        # Their voices are enough, whatever the recognizer does: min_speech_ms and
        # confirm_ms, and a frame for each.
        started = scene.events[0][1].t
        assert interrupted.t - started <= began + 0.4 + 0.1
        assert scene.room.frames[-1].time <= began + 0.2
        assert scene.waiting <= PEOPLE * (1.0 / FRAME_S + 1)
        assert any(turn.journal.peaks.get("dropped") for turn in scene.agent._running)
        for person in (ANA, *people):
            scene.room.put(SpeakerLeft(person))
        await trio.sleep(5)
        assert not scene.agent.listening_to
        assert not scene.agent._turns
        assert not scene.agent._running
        assert scene.idle()
        # It is as it was: somebody new is heard and answered.
        scene.recognizer.times_real = 0.0
        await scene.say("hello", Speaker(99, "Zoe"))
        await trio.sleep(5)
        assert scene.heard[-1][:2] == ("Zoe", "hello")


async def test_ten_thousand_come_and_go_and_nothing_stays(
    autojump_clock: MockClock,
) -> None:
    scene = Scene()
    loud = np.full(320, 9999, np.int16)

    async def visits(first: int, count: int) -> int:
        for number in range(first, first + count):
            guest = Speaker(number, f"guest {number}", certificate=f"{number:040x}")
            scene.room.put(SpeakerJoined(guest))
            scene.room.put(TextMessage(guest, "hello", private=False))
            now = trio.current_time()
            packets = 4 if number % 10 == 0 else 1
            for _ in range(packets):
                scene.room.put(VoicePacket(guest, loud, ends_talk=False, time=now))
            scene.agent._conversation.floor.echoing.add(number)
            scene.room.put(SpeakerLeft(guest))
            await trio.sleep(0.02)
        await trio.sleep(20)
        scene.events.clear()
        gc.collect()
        return len(gc.get_objects())

    async with running(scene):
        before = await visits(1000, 500)
        after = await visits(2000, 10_000)
        assert not scene.agent.listening_to
        assert not scene.agent._turns
        assert not scene.agent._conversation.floor.echoing
        assert after - before < 300


async def test_who_never_stops_talking_has_turns_that_end(
    autojump_clock: MockClock,
) -> None:
    """A radio in the room: no turn, and none of its lists, grows for ever."""
    config = Config(
        turn=TurnConfig(hold_ms=300, max_turn_s=2),
        access=AccessConfig(turns_per_minute=1000),
    )
    scene = Scene(config)
    async with running(scene):
        words = " ".join(f"word{n}" for n in range(100))
        await scene.say(words, terminator=False)
        await trio.sleep(90)
        began = {n: e.t for n, e in scene.events if e.name == "speech_started"}
        ended = [n for n, e in scene.events if e.name == "outcome"]
        assert len(began) >= 5
        assert sorted(ended) == sorted(began)
        heard = [e.t for _, e in scene.events if e.name == "final"]
        assert max(heard) <= 2 * 2 + 1


async def test_control_that_nobody_reads_ends_the_inbox() -> None:
    inbox: Inbox[int] = Inbox(10)
    for number in range(MOST_CONTROL + 5):
        inbox.put(number, droppable=False)
        if number < 20:
            inbox.put(-number)
    assert inbox.peak == MOST_CONTROL + 10
    read = [await inbox.receive() for _ in range(inbox.peak)]
    assert sum(number >= 0 for number in read) >= MOST_CONTROL
    with pytest.raises(trio.EndOfChannel):
        await inbox.receive()


def test_what_an_ear_holds_is_seconds() -> None:
    assert UTTERANCE_PACKETS * FRAME_S < 6
