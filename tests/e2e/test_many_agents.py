"""One process, several agents: the real program, in channels of a real murmurd."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio

from providers.rooms.mumble.messages import UserRemove
from tests.e2e.agents import converse, overrides, transcripts
from tests.e2e.sse_server import Answer, Json, open_sse_server, says
from trioagent.app import open_room
from trioagent.config import Config
from trioagent.configuration.file import load_agents
from trioagent.supervision.local_socket import ask

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.rooms.murmurd import Murmurd
    from tests.e2e.murmur import OpenServer
    from trioagent.calling.plan import CallResult

PATIENCE_S = 60.0
SUPERUSER = "superuser's password"
GAMES = ("what is the weather in paris", "turn on the radio")
OFFICE = ("book a flight to london", "good morning")
"""What is said in each channel, and the answer to it."""
CONFIG = """
[llm]
providers = ["openai"]
openai = { base_url = "URL" }
[status]
socket = "FOLDER/status.socket"
[journal]
latency_file = "FOLDER/latency.jsonl"

[[agents]]
mumble = { user = "Robo", channel = "Games" }
agent = { system_prompt = "You play games." }

[[agents]]
mumble = { user = "Miss", channel = "Office" }
tts = { espeak = { voice = "gmw/en", pitch = 80 } }
[agents.agent]
system_prompt = "You are a secretary."
"""


def think(request: Json) -> Answer:
    """Answer as the system prompt wants it: the two have minds of their own."""
    system = request["messages"][0]["content"]
    return says(GAMES[1] if system == "You play games." else OFFICE[1])


@attrs.define(eq=False)
class Agents:
    """A process of several, and what it printed on stdout."""

    process: subprocess.Popen[str]
    folder: Path
    configs: tuple[Config, ...]
    rows: list[dict[str, Any]] = attrs.Factory(list)

    @property
    def log(self) -> str:
        return (self.folder / "agents.err").read_text()

    async def next_row(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        with trio.fail_after(PATIENCE_S):
            line = await trio.to_thread.run_sync(
                self.process.stdout.readline, abandon_on_cancel=True
            )
        assert line, self.log
        self.rows.append(json.loads(line))
        return self.rows[-1]

    async def status(self) -> dict[str, Any]:
        path = self.folder / "status.socket"
        return await trio.to_thread.run_sync(partial(ask, path))

    async def ends(self) -> int:
        with trio.fail_after(PATIENCE_S):
            return await trio.to_thread.run_sync(
                self.process.wait, abandon_on_cancel=True
            )


@contextmanager
def started(
    folder: Path, server: Murmurd, text: str, url: str = ""
) -> Iterator[Agents]:
    file = folder / "config.toml"
    file.write_text(text.replace("URL", url).replace("FOLDER", str(folder)))
    given = [
        text
        for text in overrides(
            folder,
            mumble__server=server.host,
            mumble__port=server.port,
            mumble__trust="ca",
            mumble__ca_file=str(server.ca_file),
        )
        if not text.startswith("journal.")
    ]
    words = [word for text in given for word in ("--set", text)]
    with (
        (folder / "agents.err").open("w") as err,
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "trioagent",
                "--config",
                str(file),
                "--json",
                *words,
            ],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
            stderr=err,
            text=True,
        ) as process,
    ):
        try:
            yield Agents(process, folder, load_agents(file, given))
        finally:
            process.kill()


async def removed(config: Config, user: str) -> None:
    """Have the superuser remove somebody from the server."""
    above = attrs.evolve(
        config.mumble, user="SuperUser", password=SUPERUSER, channel="", comment=""
    )
    async with open_room(above) as room:
        link = room._link  # type: ignore[attr-defined]
        users = link._session.state.users.items()
        (session,) = (number for number, who in users if who.name == user)
        assert link.sender.put(UserRemove(session=session, reason="enough"))
        await trio.sleep(0.5)


async def test_two_agents_in_two_channels(
    murmur_server: OpenServer, tmp_path: Path
) -> None:
    channels = ("Games", "Office")
    async with (
        murmur_server(channels=channels, superuser_password=SUPERUSER) as server,
        open_sse_server(think) as mind,
    ):
        with started(tmp_path, server, CONFIG, mind.url) as agents:
            ready = [await agents.next_row() for _ in channels]
            assert {(row["event"], row["name"]) for row in ready} == {
                ("ready", "Robo"),
                ("ready", "Miss"),
            }
            heard: dict[str, list[CallResult]] = {}

            async def talk(config: Config, text: str, user: str) -> None:
                heard[user] = await converse(config, text, user=user)

            robo, miss = agents.configs
            async with trio.open_nursery() as nursery:
                nursery.start_soon(talk, robo, GAMES[0], "ana")
                nursery.start_soon(talk, miss, OFFICE[0], "ben")
            assert transcripts(heard["ana"]) == [GAMES[1]]
            assert transcripts(heard["ben"]) == [OFFICE[1]]
            prompts = [request.body["messages"] for request in mind.requests]
            for system, *said in prompts:
                own = GAMES if system["content"] == "You play games." else OFFICE
                words = set(" ".join(message["content"] for message in said).split())
                assert words <= set(" ".join(own).split())
            turns = [await agents.next_row() for _ in channels]
            assert {(row["agent"], row["speaker"]) for row in turns} == {
                ("Robo", "ana"),
                ("Miss", "ben"),
            }
            told = await agents.status()
            assert told["healthy"], told
            assert [
                (agent["agent"], agent["room"].rpartition("/")[2], agent["outcomes"])
                for agent in told["agents"]
            ] == [
                ("Robo", "Games", {"answered": 1}),
                ("Miss", "Office", {"answered": 1}),
            ]

            await removed(robo, "Robo")
            failed = await agents.next_row()
            assert (failed["event"], failed["agent"]) == ("failed", "Robo")
            assert "enough" in failed["error"]
            await talk(miss, OFFICE[0], "cleo")
            assert transcripts(heard["cleo"]) == [OFFICE[1]]
            told = await agents.status()
            assert (told["healthy"], told["state"]) == (False, "failed")

            agents.process.send_signal(signal.SIGTERM)
            assert await agents.ends() == 1, agents.log
            assert "Miss turn 2 cleo answered" in agents.log
            assert "Traceback" not in agents.log
    rows = (tmp_path / "latency.jsonl").read_text().splitlines()
    assert sorted((row["agent"], row["turn"]) for row in map(json.loads, rows)) == [
        ("Miss", 1),
        ("Miss", 2),
        ("Robo", 1),
    ]


async def test_who_is_refused_at_the_start_is_named(
    murmur_server: OpenServer, tmp_path: Path
) -> None:
    text = CONFIG.replace('["openai"]', '["echo"]')
    async with murmur_server(channels=("Games",)) as server:
        with started(tmp_path, server, text) as agents:
            assert await agents.ends() == 1
    assert "trioagent: Miss: " in agents.log
    assert '"Office"' in agents.log
    assert "Traceback" not in agents.log
