from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
import trio
from rich.console import Console

from tests.scene import Scene, running
from trioagent.cli.watch import SHOWN, Watch
from trioagent.journal.events import Event, TurnJournal

if TYPE_CHECKING:
    from trio.testing import MockClock


def text_of(watch: Watch) -> str:
    console = Console(file=io.StringIO(), width=120)
    console.print(watch)
    return console.file.getvalue()


def happen(watch: Watch, journal: TurnJournal, name: str, **data: object) -> None:
    event = Event(0.0, name, data)
    journal.events.append(event)
    watch(journal, event)


@pytest.fixture
def watch() -> Watch:
    return Watch()


async def test_a_turn_is_followed_to_its_end(
    watch: Watch, autojump_clock: MockClock
) -> None:
    scene = Scene()
    scene.agent.observers = [watch]
    seen: list[str] = []
    scene.agent.observers.append(lambda *_: seen.append(text_of(watch)))
    async with running(scene):
        await scene.say("what is that")
        await trio.sleep(5)
    states = [text.splitlines()[-1].split()[2] for text in seen]
    order = list(dict.fromkeys(states))
    assert order == ["listening", "thinking", "ready", "speaking", "answered"]
    assert "Ana" in seen[-1]
    assert "what is that" in seen[-1]
    assert "you said what is that." in seen[-1]
    assert " ms" in seen[-1]


def test_what_people_say_is_no_markup(watch: Watch) -> None:
    journal = TurnJournal(1, "[red]Ana", "", (), 0.0)
    happen(watch, journal, "speech_started", speaker="Ana")
    happen(watch, journal, "partial", text="[bold]hello[/bold] [/nonsense]")
    assert "[red]Ana" in text_of(watch)
    assert "[bold]hello[/bold] [/nonsense]" in text_of(watch)


def test_only_the_last_turns_are_shown(watch: Watch) -> None:
    for number in range(SHOWN + 3):
        journal = TurnJournal(number, f"speaker{number}", "", (), 0.0)
        happen(watch, journal, "speech_started", speaker="")
    text = text_of(watch)
    assert "speaker2" not in text
    assert all(f"speaker{number}" in text for number in range(3, SHOWN + 3))


async def test_turns_of_several_agents_are_told_apart(watch: Watch) -> None:
    await trio.lowlevel.checkpoint()
    for agent in ("Robo", "Miss"):
        journal = TurnJournal(1, "Ana", "", (watch.of(agent),), 0.0)
        journal.record("partial", text=f"hello {agent}")
    lines = text_of(watch).splitlines()
    assert [line.split()[-1] for line in lines] == ["agent", "Robo", "Miss"]
    assert "hello Robo" in lines[1]
    assert "hello Miss" in lines[2]
