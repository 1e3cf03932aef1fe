"""Several agents in one process, among fake parts that they share."""

from __future__ import annotations

import json
import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import attrs
import pytest
import trio

from tests.fakes import (
    ANA,
    BEN,
    FakeLanguageModel,
    FakeRecognizer,
    FakeRoom,
    FakeSynthesizer,
    FakeVad,
    Vocabulary,
)
from tests.helpers_replay import recordings
from trioagent import Agent, Config, app, opening, sharing
from trioagent.config import MumbleConfig
from trioagent.configuration.file import load_agents
from trioagent.errors import (
    ConfigError,
    ProviderError,
    ProviderUnavailable,
    RoomRejected,
    RoomUnreachable,
    own_errors,
)
from trioagent.guards.board import Guards
from trioagent.interfaces import HEARING_RATE_HZ, SpeakerLeft
from trioagent.journal.events import Event, Observer, TurnJournal
from trioagent.members import Member, members_of
from trioagent.supervision.boards import Boards
from trioagent.supervision.logs import JsonLines, TextLines
from trioagent.supervision.show import lines_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from trio.testing import MockClock

GAMES, OFFICE = "what is that", "hello out there"
COMMON = [
    'asr.provider="wyoming"',
    'asr.wyoming.uris=["tcp://127.0.0.1:1"]',
    'journal.latency_file=""',
    "turn.hold_ms=300",
    "turn.min_hold_ms=300",
    "turn.max_hold_ms=300",
    "playback.fade_ms=0",
]
TWO = (
    'agents=[{mumble={user="Robo", channel="Games"}},'
    ' {mumble={user="Miss", channel="Office"}, agent={system_prompt="Be brief."}}]'
)


@attrs.define(eq=False)
class Stage:
    """The parts that are opened, and an audience of the agents.

    Attributes:
        opened: What was opened, in order.
        refused: Rooms that cannot be joined, by user name.
        removed: Ends a room, by user name.
    """

    vocabulary: Vocabulary = attrs.Factory(Vocabulary)
    opened: list[str] = attrs.Factory(list)
    closed: list[str] = attrs.Factory(list)
    rooms: dict[str, FakeRoom] = attrs.Factory(dict)
    removed: dict[str, trio.Event] = attrs.Factory(dict)
    refused: dict[str, Exception] = attrs.Factory(dict)
    recognizers: list[FakeRecognizer] = attrs.Factory(list)
    models: dict[str, FakeLanguageModel] = attrs.Factory(dict)
    agents: dict[str, Agent] = attrs.Factory(dict)
    failures: dict[str, str] = attrs.Factory(dict)
    events: list[tuple[str, TurnJournal, Event]] = attrs.Factory(list)
    boards: Boards | None = None

    # --- an audience -----------------------------------------------------------------

    def observers(self, member: Member) -> Sequence[Observer]:
        def observe(journal: TurnJournal, event: Event) -> None:
            self.events.append((member.name, journal, event))

        more = [self.boards.by_name[member.name]] if self.boards else []
        return [observe, *more]

    def ready(self, member: Member, agent: Agent) -> None:
        self.agents[member.name] = agent
        if self.boards:
            self.boards.by_name[member.name].agent = agent

    def failed(self, member: Member, reason: str) -> None:
        self.failures[member.name] = reason
        if self.boards:
            self.boards.by_name[member.name].failed = reason

    # --- what is opened --------------------------------------------------------------

    @asynccontextmanager
    async def part(self, name: str, made: Any) -> AsyncIterator[Any]:
        await trio.lowlevel.checkpoint()
        self.opened.append(name)
        try:
            yield made
        finally:
            self.closed.append(name)

    def recognizer(self, config: Config) -> Any:
        self.recognizers.append(FakeRecognizer(self.vocabulary))
        return self.part(f"asr {config.asr.provider}", self.recognizers[-1])

    def synthesizer(self, config: Config) -> Any:
        voice = config.tts.options.get("espeak", {}).get("voice", "")
        return self.part(f"tts {voice}".strip(), FakeSynthesizer(self.vocabulary))

    def vad(self, _config: Config) -> Any:
        return self.part("vad", FakeVad())

    def language_model(self, _config: Config, name: str) -> Any:
        self.models[name] = FakeLanguageModel(name=name)
        return self.part(f"llm {name}", self.models[name])

    @asynccontextmanager
    async def room(self, config: MumbleConfig) -> AsyncIterator[FakeRoom]:
        await trio.lowlevel.checkpoint()
        if (refusal := self.refused.get(config.user)) is not None:
            raise refusal
        room = self.rooms[config.user] = FakeRoom(name=config.user)
        gone = self.removed[config.user] = trio.Event()

        async def remove() -> None:
            await gone.wait()
            nursery.cancel_scope.cancel("removed")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(remove)
            yield room
            nursery.cancel_scope.cancel("left")
        if gone.is_set():
            raise RoomRejected(f"{config.channel}: removed from the server")

    # --- what is done ----------------------------------------------------------------

    async def say(self, user: str, text: str) -> None:
        pcm = self.vocabulary.speech(text, 0.3, HEARING_RATE_HZ)
        await self.rooms[user].say(ANA if user == "Robo" else BEN, pcm)

    def spoken(self, user: str) -> str:
        return self.vocabulary.read(self.rooms[user].spoken)

    def told(self, name: str) -> str:
        """All that the journals of an agent hold, as text."""
        return " ".join(str(e.data) for who, _, e in self.events if who == name)


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    monkeypatch.setattr(sharing, "open_recognizer", made.recognizer)
    monkeypatch.setattr(sharing, "open_synthesizer", made.synthesizer)
    monkeypatch.setattr(sharing, "open_vad", made.vad)
    monkeypatch.setattr(sharing, "open_language_model_named", made.language_model)
    monkeypatch.setattr(app, "open_room", made.room)

    @asynccontextmanager
    async def no_server(*_rooms: MumbleConfig) -> AsyncIterator[None]:
        await trio.lowlevel.checkpoint()
        yield

    monkeypatch.setattr(app, "embedded_server", no_server)
    return made


def fleet(stage: Stage, *settings: str, guards: Guards | None = None) -> app.Fleet:
    configs = load_agents(None, [*COMMON, TWO, *settings])
    return app.Fleet(members_of(configs), stage, guards)


@asynccontextmanager
async def running(made: app.Fleet, stage: Stage) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        with trio.fail_after(10):
            while len(stage.agents) < len(made.members):  # noqa: ASYNC110 - is told
                await trio.sleep(0.01)
        yield
        nursery.cancel_scope.cancel()


async def at_once(*calls: Callable[[], Any]) -> None:
    async with trio.open_nursery() as nursery:
        for call in calls:
            nursery.start_soon(call)


async def test_what_is_said_in_one_room_stays_there(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with running(fleet(stage), stage):
        await at_once(
            lambda: stage.say("Robo", GAMES), lambda: stage.say("Miss", OFFICE)
        )
        await trio.sleep(5)
        await at_once(
            lambda: stage.say("Robo", GAMES), lambda: stage.say("Miss", OFFICE)
        )
        await trio.sleep(5)
    assert stage.opened == ["vad", "asr wyoming", "tts", "llm echo"]
    robo, miss = stage.agents["Robo"], stage.agents["Miss"]
    # The recognizer is one and the same object, and so is the model.
    assert robo.parts.recognizer is miss.parts.recognizer
    assert robo.parts.synthesizer is miss.parts.synthesizer
    assert robo.parts.language_model is not miss.parts.language_model
    said = {
        name: [e.said for e in a.history.exchanges] for name, a in stage.agents.items()
    }
    assert said == {"Robo": [GAMES] * 2, "Miss": [OFFICE] * 2}
    assert stage.spoken("Robo") == f"you said {GAMES}. you said {GAMES}."
    assert stage.spoken("Miss") == f"you said {OFFICE}. you said {OFFICE}."
    theirs = {"Robo": (GAMES, OFFICE), "Miss": (OFFICE, GAMES)}
    for name, (own, other) in theirs.items():
        assert own in stage.told(name)
        assert not any(word in stage.told(name) for word in other.split())
    prompts = [
        " ".join(message.content for message in prompt[1:])
        for prompt in stage.models["echo"].prompts
    ]
    # No prompt has words of both; each is of one room, under that room's orders.
    assert len(prompts) >= 4
    assert all((GAMES in text) != (OFFICE in text) for text in prompts)
    for prompt, text in zip(stage.models["echo"].prompts, prompts, strict=True):
        assert (prompt[0].content == "Be brief.") == (OFFICE in text)


async def test_interrupting_in_one_room_leaves_the_other_alone(
    stage: Stage, autojump_clock: MockClock
) -> None:
    async with running(fleet(stage), stage):
        stage.models["echo"].replies = {OFFICE: "one two three four five six seven"}
        await stage.say("Miss", OFFICE)
        await trio.sleep(0.7)  # she speaks
        await stage.say("Robo", GAMES)
        await trio.sleep(5)
    assert stage.spoken("Miss") == "one two three four five six seven"
    names = [event.name for who, _, event in stage.events if who == "Miss"]
    assert not {"ducked", "interrupted", "cut_off"} & set(names)


async def test_what_is_configured_alike_is_opened_once(
    stage: Stage, autojump_clock: MockClock
) -> None:
    three = (
        'agents=[{mumble={user="a"}}, {mumble={user="b"}, tts={timeout_s=3.0}},'
        ' {mumble={user="c"}, tts={espeak={voice="gmw/en"}},'
        ' llm={providers=["openai", "echo"]}}]'
    )
    guards = Guards(Config())
    async with running(fleet(stage, three, guards=guards), stage):
        pass
    assert stage.opened == [
        *("vad", "asr wyoming", "tts", "llm echo"),
        *("tts gmw/en", "llm openai"),
    ]
    assert sorted(stage.closed) == sorted(stage.opened)
    a, b, c = (stage.agents[name].parts for name in "abc")
    assert a.recognizer is b.recognizer is c.recognizer
    # Another patience: another guard before the same synthesizer.
    assert a.synthesizer is not b.synthesizer
    assert a.synthesizer.synthesizer is b.synthesizer.synthesizer  # type: ignore[attr-defined]
    assert list(guards.states) == [
        "recognizer wyoming",
        "synthesizer espeak",
        "language model echo",
        "synthesizer espeak of b",
        "synthesizer espeak of c",
        "language model openai",
    ]


async def test_who_is_removed_ends_alone(
    stage: Stage, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    stage.boards = Boards.of(["Robo", "Miss"])
    made = fleet(stage)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        await trio.sleep(1)
        stage.removed["Robo"].set()
        await trio.sleep(1)
        await stage.say("Miss", OFFICE)
        await trio.sleep(5)
        report: dict[str, Any] = json.loads(json.dumps(stage.boards.report()))
        stage.removed["Miss"].set()
    # It ended by itself: nobody was left.
    assert stage.failures == {
        "Robo": "Games: removed from the server",
        "Miss": "Office: removed from the server",
    }
    assert stage.spoken("Miss") == f"you said {OFFICE}."
    assert (report["healthy"], report["state"]) == (False, "failed")
    assert report["problems"] == ["Robo: it has failed: Games: removed from the server"]
    robo, miss = report["agents"]
    assert (robo["agent"], robo["state"]) == ("Robo", "failed")
    assert (miss["agent"], miss["state"]) == ("Miss", "listening")
    assert miss["outcomes"] == {"answered": 1}
    assert robo["outcomes"] == {}
    shown = lines_of(report)
    assert "Robo: failed" in shown
    assert "  turns: answered 1" in shown
    errors = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert [r.getMessage() for r in errors] == [
        "the agent has ended: Games: removed from the server",
        "the agent has ended: Office: removed from the server",
    ]


async def test_a_bug_in_one_agent_ends_it_alone(
    stage: Stage, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(fleet(stage), stage):
        stage.rooms["Robo"].put(SpeakerLeft(None))  # type: ignore[arg-type]
        await trio.sleep(1)
        await stage.say("Miss", OFFICE)
        await trio.sleep(5)
        assert stage.failures == {"Robo": "AttributeError: see the log"}
    assert stage.spoken("Miss") == f"you said {OFFICE}."
    (record,) = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert record.exc_info


@pytest.mark.parametrize("kind", [RoomRejected, RoomUnreachable])
async def test_a_refusal_at_the_start_is_the_commands(
    stage: Stage, autojump_clock: MockClock, kind: type[Exception]
) -> None:
    stage.refused["Miss"] = kind("wrong password")
    with pytest.raises(BaseExceptionGroup) as caught:
        await fleet(stage).run()
    assert [str(e) for e in own_errors(caught.value)] == ["Miss: wrong password"]
    assert stage.failures == {}
    assert sorted(stage.closed) == sorted(stage.opened)


async def test_a_part_that_cannot_be_opened_names_the_agent(
    stage: Stage, autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(config: Config) -> Any:
        if config.tts.options.get("espeak"):
            raise ProviderUnavailable("no such voice")
        return stage.synthesizer(config)

    monkeypatch.setattr(sharing, "open_synthesizer", missing)
    agents = (
        'agents=[{mumble={user="a"}},'
        ' {mumble={user="b"}, tts={espeak={voice="gmw/en"}}}]'
    )
    with pytest.raises(ProviderUnavailable) as caught:
        await fleet(stage, agents).run()
    assert caught.value.message == "b: no such voice"


async def test_a_choice_that_cannot_be_names_the_agent(
    stage: Stage, autojump_clock: MockClock
) -> None:
    agents = (
        'agents=[{mumble={user="a"}}, {mumble={user="b"}, vad={provider="nonesuch"}}]'
    )
    with pytest.raises(ConfigError) as caught:
        await fleet(stage, agents).run()
    assert caught.value.message.startswith("b: ")
    assert stage.opened == []


async def test_who_has_other_bounds_has_another_guard(
    stage: Stage, autojump_clock: MockClock, tmp_path: Path
) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path)
    agents = (
        f'agents=[{{mumble={{user="a"}}, journal={{latency_file="{tmp_path}/x"}}}},'
        ' {mumble={user="b"}, breaker={failures=9},'
        f' journal={{latency_file="{link}/x"}}}},'
        ' {mumble={user="c"}, llm={retry_s=99.0}}]'
    )
    guards = Guards(Config())
    async with running(fleet(stage, agents, guards=guards), stage):
        keepers = [stage.agents[name].keepers for name in "abc"]
    assert list(guards.states) == [
        "recognizer wyoming",
        "synthesizer espeak",
        "language model echo",
        "recognizer wyoming of b",
        "synthesizer espeak of b",
        "language model echo of b",
        "language model echo of c",
    ]
    assert keepers[0][0] is keepers[1][0], "the same file by another name"
    assert keepers[2] == ()


async def test_a_server_is_run_on_each_port_for_those_who_ask_for_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run: list[list[str]] = []

    @asynccontextmanager
    async def server(guests: Sequence[MumbleConfig]) -> AsyncIterator[None]:
        await trio.lowlevel.checkpoint()
        run.append([guest.user for guest in guests])
        yield

    monkeypatch.setattr(opening, "_private_server", server)
    here = MumbleConfig(server="embedded", user="a")
    configs = (
        here,
        attrs.evolve(here, user="b"),
        attrs.evolve(here, user="c", port=here.port + 1),
        attrs.evolve(here, user="d", server="example.org"),
    )
    async with opening.embedded_server(*configs):
        assert run == [["a", "b"], ["c"]]


async def test_without_a_server_of_ours_none_is_joined(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    with pytest.raises(RoomUnreachable, match="no embedded Mumble server on port 7"):
        async with opening.open_room(MumbleConfig(server="embedded", port=7)):
            pass


async def test_a_model_that_fails_one_is_known_to_all(
    stage: Stage, autojump_clock: MockClock
) -> None:
    """A breaker is its provider's; what is said of that, is said in each room."""
    settings = (
        'llm.providers=["openai", "echo"]',
        'llm.fallback_notice="i am alone."',
        "breaker.failures=1",
        "llm.retry_s=60.0",
    )
    async with running(fleet(stage, *settings), stage):
        stage.models["openai"].fail = ProviderError("down")
        await stage.say("Robo", GAMES)
        await trio.sleep(5)
        asked = len(stage.models["openai"].prompts)
        await stage.say("Miss", OFFICE)
        await trio.sleep(5)
        assert len(stage.models["openai"].prompts) == asked
        assert stage.spoken("Robo") == f"i am alone. you said {GAMES}."
        assert stage.spoken("Miss") == f"i am alone. you said {OFFICE}."
        # Whoever found it out may be gone: the others find out that it is back.
        stage.removed["Robo"].set()
        stage.models["openai"].fail = None
        await trio.sleep(120)
        await stage.say("Miss", GAMES)
        await trio.sleep(5)
    assert len(stage.models["openai"].prompts) > asked


@pytest.mark.parametrize("robo_stops", ["stop", "finish"])
async def test_each_leaves_as_it_is_configured(
    stage: Stage, autojump_clock: MockClock, robo_stops: str
) -> None:
    agents = (
        f'agents=[{{mumble={{user="Robo"}}, agent={{on_stop="{robo_stops}"}}}},'
        ' {mumble={user="Miss"}, agent={on_stop="finish"}}]'
    )
    made = fleet(stage, agents)
    reply = "one two three four five. six seven eight nine ten. eleven twelve."
    async with trio.open_nursery() as nursery:
        nursery.start_soon(made.run)
        await trio.sleep(1)
        stage.models["echo"].replies = {GAMES: reply, OFFICE: reply}
        await at_once(
            lambda: stage.say("Robo", GAMES), lambda: stage.say("Miss", OFFICE)
        )
        await trio.sleep(0.6)
        for user in ("Robo", "Miss"):
            assert stage.spoken(user).startswith("one two")
            assert not stage.spoken(user).endswith("five.")
        await made.leave()
        nursery.cancel_scope.cancel()
    assert stage.spoken("Miss").endswith("five.")
    assert stage.spoken("Robo").endswith("five.") == (robo_stops == "finish")


async def test_who_is_to_stop_does_not_wait_for_the_others(
    stage: Stage, autojump_clock: MockClock
) -> None:
    agents = (
        'agents=[{mumble={user="Robo"}, agent={on_stop="stop"}},'
        ' {mumble={user="Miss"}, agent={on_stop="finish"}}]'
    )
    made = fleet(stage, agents)
    async with running(made, stage), trio.open_nursery() as leaving:
        reply = "one two three four five six seven eight nine ten."
        stage.models["echo"].replies = {GAMES: reply, OFFICE: reply}
        await at_once(
            lambda: stage.say("Robo", GAMES), lambda: stage.say("Miss", OFFICE)
        )
        await trio.sleep(0.6)
        leaving.start_soon(made.leave)
        await trio.sleep(0.1)
        said = stage.spoken("Robo")
        await trio.sleep(0.5)
        assert stage.spoken("Robo") == said != ""
        assert len(stage.spoken("Miss")) > len(said)


async def test_one_latency_file_has_the_lines_of_all(
    stage: Stage, autojump_clock: MockClock, tmp_path: Path
) -> None:
    path = tmp_path / "latency.jsonl"
    async with running(fleet(stage, f'journal.latency_file="{path}"'), stage):
        await at_once(
            lambda: stage.say("Robo", GAMES), lambda: stage.say("Miss", OFFICE)
        )
        await trio.sleep(5)
        keepers = [agent.keepers for agent in stage.agents.values()]
        # One writer: it is never made shorter by two at a time.
        assert keepers[0][0] is keepers[1][0]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    assert {(row["agent"], row["speaker"], row["turn"]) for row in rows} == {
        ("Robo", "Ana", 1),
        ("Miss", "Ben", 1),
    }


async def test_recordings_hold_what_their_agent_remembered(
    stage: Stage,
    autojump_clock: MockClock,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def inline(fn: Callable[..., Any], *args: Any, **_how: Any) -> Any:
        await trio.lowlevel.checkpoint()
        return fn(*args)

    monkeypatch.setattr(trio.to_thread, "run_sync", inline)
    folder = f'recording.folder="{tmp_path}"'
    async with running(fleet(stage, folder, 'recording.announcement=""'), stage):
        for _ in range(2):
            await stage.say("Robo", GAMES)
            await trio.sleep(5)
    first, second = recordings(tmp_path / "Robo")
    assert first.header.memory["exchanges"] == []
    assert [x["said"] for x in second.header.memory["exchanges"]] == [GAMES]


async def test_log_lines_name_the_agent(
    stage: Stage, autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    lines: list[str] = []
    rows: list[dict[str, Any]] = []

    class Lines(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(TextLines().format(record))
            rows.append(json.loads(JsonLines().format(record)))

    handler = Lines()
    logging.getLogger("trioagent").addHandler(handler)
    try:
        async with running(fleet(stage), stage):
            await stage.say("Miss", OFFICE)
            await trio.sleep(5)
            stage.removed["Miss"].set()
            await trio.sleep(1)
    finally:
        logging.getLogger("trioagent").removeHandler(handler)
    assert any(" trioagent.turn: Miss turn 1 Ben answered" in line for line in lines)
    assert any(": Miss: the agent has ended: " in line for line in lines)
    of_turn = [row for row in rows if row.get("turn") == 1]
    assert of_turn
    assert {row["agent"] for row in of_turn} == {"Miss"}
