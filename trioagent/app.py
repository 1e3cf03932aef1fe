"""The running agents of a process: their parts are opened, and each is in its room."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.agent import Agent, Parts
from trioagent.errors import own_errors
from trioagent.guards.board import Guards
from trioagent.journal.events import CURRENT_AGENT, Observer
from trioagent.journal.latency import LatencyLog
from trioagent.members import Audience, Member, naming
from trioagent.opening import (
    BETTER_RECOGNIZER,
    EMBEDDED,
    embedded_server,
    open_language_model,
    open_language_models,
    open_recognizer,
    open_room,
    open_synthesizer,
    open_vad,
)
from trioagent.recording.recorder import Recorder
from trioagent.sharing import Models, SharedParts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.config import Config

__all__ = [
    "BETTER_RECOGNIZER",
    "EMBEDDED",
    "Fleet",
    "embedded_server",
    "open_language_model",
    "open_language_models",
    "open_recognizer",
    "open_room",
    "open_synthesizer",
    "open_vad",
    "recorded",
    "run_agent",
]

log = logging.getLogger(__name__)


async def run_agent(
    config: Config,
    observers: Sequence[Observer] = (),
    on_ready: Callable[[Agent], None] = lambda _agent: None,
    guards: Guards | None = None,
) -> None:
    """Open everything, be in the room until it closes or we are cancelled.

    Args:
        config: What to open, and how to behave.
        observers: Shown each event of each turn.
        on_ready: Told when the agent is in its room and begins to listen.
        guards: What will know how the models are.

    Raises:
        TrioagentError: a part cannot be opened, or the room refused us for good.
    """
    member = Member("", config)
    await Fleet((member,), _Alone(observers, on_ready), guards).run()


@attrs.frozen(eq=False)
class _Alone:
    """An `Audience` for one agent."""

    given: Sequence[Observer]
    on_ready: Callable[[Agent], None]

    def observers(self, _member: Member) -> Sequence[Observer]:
        return self.given

    def ready(self, _member: Member, agent: Agent) -> None:
        self.on_ready(agent)

    def failed(self, _member: Member, _reason: str) -> None:
        """Nobody is told: the error is raised."""


@attrs.define(eq=False)
class Fleet:
    """The agents of this process. They share what is configured alike, and no room.

    Attributes:
        members: Who they are.
        audience: Told of what they do.
        guards: What will know how the models are.
    """

    members: Sequence[Member]
    audience: Audience
    guards: Guards | None = None
    _agents: dict[Member, Agent] = attrs.Factory(dict)
    """Those that listen."""
    _scopes: dict[Member, trio.CancelScope] = attrs.Factory(dict)

    async def run(self) -> None:
        """Open everything, be in the rooms until all are closed or we are cancelled.

        Where there are several, one that fails after it began to listen ends alone.

        Raises:
            TrioagentError: a part cannot be opened, or a room refused us. Of several
                agents it names the one. One alone may also fail later.
        """
        async with AsyncExitStack() as stack:
            shared = SharedParts(stack, self.guards)
            for member in self.members:
                with naming(member):
                    shared.check(member.config)
            models = []
            for member in self.members:
                with naming(member):
                    models.append(await shared.models(member))
            rooms = [member.config.mumble for member in self.members]
            await stack.enter_async_context(embedded_server(*rooms))
            if len(models) == 1:
                await self._live(self.members[0], models[0])
                return
            async with trio.open_nursery() as nursery:
                for member, its in zip(self.members, models, strict=True):
                    nursery.start_soon(
                        self._live_apart, member, its, name=f"agent {member.name}"
                    )

    async def leave(self) -> None:
        """End each as its `agent.on_stop` says; return when those sentences are over.

        If cancelled, they begin nothing more.
        """
        async with trio.open_nursery() as nursery:
            for member in self.members:
                agent = self._agents.get(member)
                if member.config.agent.on_stop == "finish" and agent is not None:
                    nursery.start_soon(agent.leave, name=f"{member.name} leaves")
                elif member in self._scopes:
                    self._scopes[member].cancel("leaving")

    async def _live_apart(self, member: Member, models: Models) -> None:
        """Live; what ends this agent later is no affair of the others."""
        CURRENT_AGENT.set(member.name)
        try:
            await self._live(member, models)
        except Exception as error:
            if member not in self._agents:
                with naming(member):
                    raise
            self.audience.failed(member, _told(error))
        finally:
            self._agents.pop(member, None)

    async def _live(self, member: Member, models: Models) -> None:
        """Join the room, and be there."""
        with trio.CancelScope() as self._scopes[member]:
            async with (
                models.chained() as model,
                open_room(member.config.mumble) as room,
            ):
                parts = Parts(
                    room, models.vad, models.recognizer, model, models.synthesizer
                )
                await self._be_there(member, parts, models)

    async def _be_there(self, member: Member, parts: Parts, models: Models) -> None:
        config, file = member.config, models.latency_file
        path = None if file is None else file.path
        journal = config.journal
        latency = LatencyLog(path, journal.log_transcripts, journal, member.name, file)
        observers = self.audience.observers(member)
        async with recorded(parts, config) as (parts, recorders):
            tapes = [recorder.tape for recorder in recorders]
            agent = Agent(
                parts,
                config,
                (*observers, latency, *tapes),
                keepers=(*recorders, *([file] if file else [])),
            )
            for tape in tapes:
                tape.agent = agent
            self._agents[member] = agent
            self.audience.ready(member, agent)
            await agent.run()


def _told(error: Exception) -> str:
    """Why an agent ended, in the log too."""
    try:
        reasons = [str(own) for own in own_errors(error)]
    except Exception as bug:
        log.exception("the agent failed")
        return f"{type(bug).__name__}: see the log"
    log.error("the agent has ended: %s", "; ".join(reasons))
    return "; ".join(reasons)


async def _record(recorder: Recorder) -> None:
    """Record; a bug in there costs the recordings, never the agent."""
    try:
        await recorder.run()
    except Exception:
        log.exception("the recorder failed: nothing is recorded any more")


@asynccontextmanager
async def recorded(
    parts: Parts, config: Config
) -> AsyncIterator[tuple[Parts, tuple[Recorder, ...]]]:
    """The parts, and what records the agent, if wanted: its tape has to observe it."""
    if not config.recording.folder:
        yield parts, ()
        return
    recorder = Recorder(config)
    recorder.check_folder()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(_record, recorder, name="recorder")
        yield recorder.tap(parts), (recorder,)
        nursery.cancel_scope.cancel("the agent has ended")
