"""What one cell has for itself: servers, a trouble with one of them, an agent."""

from __future__ import annotations

import json
import os
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
import trio

from providers.rooms.murmurd import Murmurd, MurmurdSettings, open_murmurd
from tests.e2e.agents import overrides
from tests.e2e.faults import programs, replies
from tests.e2e.faults import troubles as t
from tests.e2e.faults.names import SUFFIX
from tests.e2e.faults.person import Person
from tests.e2e.faults.relay import Relay, relay_to
from tests.e2e.faults.remains import processes_of
from tests.e2e.faults.stage import Stage
from tests.e2e.faults.table import NETWORK, STATUSES, Cell
from tests.e2e.faults.witness import Witness
from tests.e2e.sse_server import SseServer, open_sse_server
from tests.helpers_speech import TINY_MODEL
from trioagent.app import open_room
from trioagent.config import MumbleConfig
from trioagent.configuration.file import load_config

if TYPE_CHECKING:
    import signal
    from collections.abc import AsyncIterator

DAY_S = 86_400
PATIENCE: dict[str, object] = {
    "agent.failure_notice": replies.APOLOGY,
    "asr.timeout_s": 4.0,
    "llm.timeout_s": 6.0,
    "llm.retry_s": 0.3,
    "llm.openai.connect_timeout_s": 1.0,
    "llm.openai.first_token_timeout_s": 4.0,
    "llm.openai.token_timeout_s": 2.5,
    "llm.openai.retry_budget_s": 0.5,
    "breaker.retry_s": 0.5,
    "turn.budget_s": 15,
    "mumble.connect_timeout_s": 15.0,
    "mumble.reconnect_min_s": 0.1,
    "mumble.reconnect_max_s": 0.5,
}
WYOMING: dict[str, object] = {
    "asr.provider": "wyoming",
    "asr.model": "",
    "asr.wyoming.connect_timeout_s": 1.0,
    "asr.wyoming.answer_timeout_s": 3.0,
    "asr.wyoming.check_interval_s": 0.5,
}


@attrs.define(eq=False)
class Scene:
    """What one cell has for itself."""

    cell: Cell
    folder: Path
    witness: Witness
    person: Person
    trouble: t.Trouble
    ports: tuple[int, ...]
    """Of the servers that its agent talks to."""
    model: SseServer | None
    agent_task: trio.lowlevel.Task


@attrs.define(eq=False)
class _Builder:
    """Puts the servers of one cell together, and the trouble with them."""

    cell: Cell
    stage: Stage
    number: int
    stack: AsyncExitStack
    folder: Path
    settings: dict[str, object] = attrs.Factory(dict)
    ports: list[int] = attrs.Factory(list)
    trouble: t.Trouble | None = None
    model: SseServer | None = None
    murmurd: Murmurd | None = None

    @property
    def fault(self) -> str:
        return self.cell.fault

    async def enter(self, opening: Any) -> Any:
        return await self.stack.enter_async_context(opening)

    def settle(self, trouble: t.Trouble) -> None:
        """This is the trouble of this cell."""
        self.trouble = trouble

    async def add_model(self) -> None:
        """The language model's server, with a relay before it."""
        ours = self.cell.target == "llm"
        if ours and self.fault in ("killed", "stopped"):
            port = self.stage.port()
            server = await self.enter(
                programs.program(port, *programs.model_arguments(port))
            )
            self._trouble_of(server)
        else:
            self.model = await self.enter(open_sse_server(replies.answer))
            port = int(self.model.url.split(":")[2].split("/")[0])
        relay: Relay = await self.enter(relay_to(port))
        host = "127.0.0.1"
        if ours and self.fault in NETWORK:
            self.settle(t.NetworkTrouble(relay, self.fault))  # type: ignore[arg-type]
        if ours and self.fault in STATUSES:
            assert self.model is not None
            self.settle(t.Refusal(self.model, int(self.fault)))
            # So that no draft is made before the fault begins.
            self.settings["turn.early_start"] = "off"
        if ours and self.fault == "name gone":
            host = f"llm{self.number}{SUFFIX}"
            self.settle(t.NameGone(self.stage.names, host, relay))
        self.ports.append(relay.port)
        self.settings["llm.providers"] = ["openai"]
        self.settings["llm.openai.base_url"] = f"http://{host}:{relay.port}/v1"

    def _trouble_of(self, server: programs.Program) -> None:
        if self.fault == "killed":
            self.settle(t.ServerKilled(server))
        else:
            self.settle(t.Stopped(server.signal))

    async def add_recognizer(self) -> None:
        """The recognizer: in this process, in its own, or behind a relay."""
        await trio.lowlevel.checkpoint()
        if self.cell.target == "recognizer":
            # A path of its own makes its process known by its command.
            model = self.folder / "model"
            model.symlink_to(TINY_MODEL)
            self.settings |= {"asr.model": str(model), "asr.sherpa.isolate": True}
            number = "SIGKILL" if self.fault == "killed" else "SIGSTOP"
            pids = partial(processes_of, model)
            self.settle(t.ChildSignalled(pids, getattr(t.signal.Signals, number)))
        if self.cell.target != "asr":
            return
        port = self.stage.wyoming_port
        if self.fault in ("killed", "stopped"):
            port = self.stage.port()
            server = await self.enter(
                programs.program(port, *programs.recognizer_arguments(port))
            )
            self._trouble_of(server)
        relay: Relay = await self.enter(relay_to(port))
        if self.fault in NETWORK:
            self.settle(t.NetworkTrouble(relay, self.fault))  # type: ignore[arg-type]
        self.ports.append(relay.port)
        uris = [f"tcp://127.0.0.1:{relay.port}"]
        self.settings |= {**WYOMING, "asr.wyoming.uris": uris}

    async def add_room(self) -> None:
        """The Mumble server, and the agent's way to it."""
        await trio.lowlevel.checkpoint()
        server = self.stage.murmurd
        channel = f"room{self.number}"
        host, port = server.host, server.port
        if self.cell.target == "room" and self.fault in ("killed", "stopped"):
            certificates = self.stage.folder / "certificates"
            server = await self.enter(
                open_murmurd(
                    MurmurdSettings(
                        certificate_folder=certificates, channels=(channel,)
                    )
                )
            )
            port = server.port
            if self.fault == "killed":
                self.settle(t.ServerKilled(server))
            else:
                self.settle(t.Stopped(partial(_signal, server)))
        elif self.cell.target == "room":
            relay: Relay = await self.enter(relay_to(port, udp=True))
            port = relay.port
            if self.fault == "name gone":
                host = f"room{self.number}{SUFFIX}"
                self.settle(t.NameGone(self.stage.names, host, relay))
            else:
                self.settle(t.NetworkTrouble(relay, self.fault))  # type: ignore[arg-type]
            self.ports.append(relay.port)
        self.murmurd = server
        self.settings |= {
            "mumble.server": host,
            "mumble.port": port,
            "mumble.channel": channel,
            "mumble.user": f"agent{self.number}",
            "mumble.trust": "pin",
            "mumble.pin_file": str(self.folder / "pins"),
        }

    def add_machine(self) -> None:
        """What the agent has of the machine: a disk, and a clock."""
        self.settings["journal.latency_file"] = ""
        if self.cell.target != "machine":
            return
        self.settings["journal.latency_file"] = str(self.folder / "latency.jsonl")
        self.settings["recording.folder"] = str(self.folder / "recordings")
        if self.fault == "disk full":
            self.settle(t.DiskFull())
        else:
            self.settle(t.ClockStepped(DAY_S * (1 if "forward" in self.fault else -1)))


def _signal(server: Murmurd, number: signal.Signals) -> None:
    assert server.pid is not None
    os.kill(server.pid, number)


@asynccontextmanager
async def open_scene(cell: Cell, stage: Stage, number: int) -> AsyncIterator[Scene]:
    """Open the servers of one cell, the agent, and the person who talks to it."""
    folder = stage.folder / f"cell{number}"
    folder.mkdir()
    async with AsyncExitStack() as stack:
        builder = _Builder(cell, stage, number, stack, folder)
        await builder.add_model()
        await builder.add_recognizer()
        await builder.add_room()
        builder.add_machine()
        given = overrides(folder)
        values = {**PATIENCE, **builder.settings}
        given += [f"{key}={_toml(value)}" for key, value in values.items()]
        witness = Witness(load_config(None, given))
        server, user = builder.murmurd, f"person{number}"
        assert server is not None
        assert builder.trouble is not None
        room = await stack.enter_async_context(
            open_room(
                MumbleConfig(
                    server=server.host,
                    port=server.port,
                    user=user,
                    channel=f"room{number}",
                    comment="",
                    trust="ca",
                    ca_file=str(server.ca_file),
                    reconnect_min_s=0.1,
                    reconnect_max_s=0.5,
                )
            )
        )
        person = Person(room, f"agent{number}", stage.recognizer, stage.talks)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(person.listen, name=f"person {number}")
            nursery.start_soon(witness.run, name=f"agent {number}")
            (task,) = [x for x in nursery.child_tasks if x.name == f"agent {number}"]
            await witness.ready.wait()
            yield Scene(
                cell, folder, witness, person, builder.trouble,
                tuple(builder.ports), builder.model, task,
            )  # fmt: skip
            nursery.cancel_scope.cancel()


def _toml(value: object) -> str:

    # What JSON writes of texts, numbers and lists of them, TOML reads.
    return json.dumps(value)
