"""The scripted conversation through a real murmurd, seen by a client that listens.

The agent and the user are two clients of one server, in this process; the server is a
process of its own. What the user says is what `bench.work` says, what the sink notes is
when a packet of the agent's has come to the user.
"""

from __future__ import annotations

import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import numpy as np
import trio

from bench import scripted, work
from providers.rooms.murmurd import MurmurdSettings, open_murmurd
from trioagent import Agent
from trioagent.app import open_room
from trioagent.config import MumbleConfig
from trioagent.interfaces import Pcm, Room, VoicePacket

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable


class Loudness(scripted.Loudness):
    """Speech is what is loud."""

    def probability(self, frame: Pcm) -> float:
        """1 or 0."""
        return float(np.abs(frame).mean() > scripted.LOUD)

    def stream(self) -> Loudness:
        """It remembers nothing."""
        return self


@asynccontextmanager
async def server() -> AsyncIterator[MumbleConfig]:
    """A private server; how to get there."""
    with tempfile.TemporaryDirectory() as folder:
        settings = MurmurdSettings(certificate_folder=Path(folder), port=0)
        async with open_murmurd(settings) as murmurd:
            yield MumbleConfig(
                server=murmurd.host,
                port=murmurd.port,
                trust="ca",
                ca_file=str(Path(folder) / "cert.pem"),
            )


async def meeting(
    stack: AsyncExitStack, *, mumble: bool
) -> Callable[..., scripted.Conversation]:
    """What makes a conversation: in this process, or on a server of its own."""
    if not mumble:
        return scripted.Conversation
    return partial(Conversation, mumble=await stack.enter_async_context(server()))


@attrs.define(eq=False)
class Conversation(scripted.Conversation):
    """A user and an agent who meet on a server."""

    mumble: MumbleConfig = attrs.field(kw_only=True)
    vad: Loudness = attrs.Factory(Loudness)
    recognizer: scripted.Recognizer = attrs.Factory(
        lambda: scripted.Recognizer(scripted.loud_s)
    )
    _user: Room = attrs.field(init=False)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Both are in the room."""
        ana = attrs.evolve(self.mumble, user="Ana", comment="")
        async with (
            open_room(self.mumble) as room,
            open_room(ana) as self._user,
            trio.open_nursery() as nursery,
        ):
            parts = attrs.evolve(self.parts(), room=room)
            agent = Agent(parts, self.settings, self.observers)
            nursery.start_soon(agent.run, name="agent")
            nursery.start_soon(self._listen, name="listener")
            nursery.start_soon(work.in_real_time, self._frame, self._take, name="user")
            # Until voice goes over UDP both ways.
            await trio.sleep(2)
            yield
            nursery.cancel_scope.cancel("measured")

    def hand_over(self, pcm: Pcm, now: float) -> None:  # noqa: ARG002 - the server's clock is another
        """Send a frame; nothing is sent where nobody speaks for long."""
        self._user.write(pcm, work.RATE_HZ)

    async def _listen(self) -> None:
        async for event in self._user.events:
            if isinstance(event, VoicePacket):
                self.sink.write(event.pcm, work.RATE_HZ, last=event.ends_talk)
