"""How each fault begins and ends."""

from __future__ import annotations

import contextlib
import datetime
import os
import resource
import signal
import time
from collections.abc import Callable
from typing import Protocol

import attrs
import trio

from providers.rooms.murmurd import Murmurd
from tests.e2e.faults import replies
from tests.e2e.faults.names import Names
from tests.e2e.faults.programs import Program
from tests.e2e.faults.relay import Failure, Relay
from tests.e2e.sse_server import Answer, SseServer

DAY_S = 86_400


class Trouble(Protocol):
    """A fault; it begins once and ends once."""

    async def begin(self) -> None:
        """Fail from now on."""

    async def end(self) -> None:
        """Be well again; returns when what failed works."""


@attrs.frozen(eq=False)
class NetworkTrouble:
    """The way to a server fails."""

    relay: Relay
    failure: Failure

    async def begin(self) -> None:
        """See `Relay`."""
        await self.relay.fail(self.failure)

    async def end(self) -> None:
        """See `Relay`."""
        await self.relay.restore()


@attrs.frozen(eq=False)
class NameGone:
    """The server's host name does not resolve, and what was connected is reset."""

    names: Names
    name: str
    relay: Relay

    async def begin(self) -> None:
        """Forget the name; break what is connected."""
        await trio.lowlevel.checkpoint()
        self.names.gone.add(self.name)
        self.relay.reset()

    async def end(self) -> None:
        """Know the name again."""
        await trio.lowlevel.checkpoint()
        self.names.gone.discard(self.name)


@attrs.frozen(eq=False)
class Refusal:
    """The language model's server refuses all requests."""

    server: SseServer
    status: int

    async def begin(self) -> None:
        """Refuse from now on."""
        await trio.lowlevel.checkpoint()
        headers = [("retry-after", "2")] if self.status == 429 else []
        error = {"error": {"message": f"status {self.status} as told"}}
        refusal = Answer(status=self.status, error=error, headers=headers)
        self.server.script = refusal

    async def end(self) -> None:
        """Answer again."""
        await trio.lowlevel.checkpoint()
        self.server.script = replies.answer


@attrs.frozen(eq=False)
class ServerKilled:
    """A server is killed, and started again on its port."""

    server: Program | Murmurd

    async def begin(self) -> None:
        """SIGKILL."""
        await self.server.kill()

    async def end(self) -> None:
        """Start it."""
        await self.server.start()


@attrs.frozen(eq=False)
class Stopped:
    """A server is stopped by SIGSTOP, and goes on."""

    signal: Callable[[signal.Signals], None]

    async def begin(self) -> None:
        """SIGSTOP."""
        await trio.lowlevel.checkpoint()
        self.signal(signal.SIGSTOP)

    async def end(self) -> None:
        """SIGCONT."""
        await trio.lowlevel.checkpoint()
        self.signal(signal.SIGCONT)


@attrs.frozen(eq=False)
class ChildSignalled:
    """The recognizer's process gets a signal; the agent has to help itself."""

    pids: Callable[[], list[int]]
    number: signal.Signals

    async def begin(self) -> None:
        """Send it."""
        await trio.lowlevel.checkpoint()
        for pid in self.pids():
            os.kill(pid, self.number)

    async def end(self) -> None:
        """Nothing is mended."""
        await trio.lowlevel.checkpoint()


@attrs.frozen(eq=False)
class DiskFull:
    """No file of this process can grow. Needs no rights, unlike a small file system."""

    async def begin(self) -> None:
        """Set the limit."""
        await trio.lowlevel.checkpoint()
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))

    async def end(self) -> None:
        """Take it away."""
        await trio.lowlevel.checkpoint()
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@attrs.define(eq=False)
class ClockStepped:
    """The wall clock of this process jumps; the monotonic one goes on."""

    step_s: float
    _undo: contextlib.ExitStack = attrs.Factory(contextlib.ExitStack)

    async def begin(self) -> None:
        """Step it."""
        await trio.lowlevel.checkpoint()
        step_s, now, now_ns = self.step_s, time.time, time.time_ns
        true = datetime.datetime

        class Stepped(datetime.datetime):
            @classmethod
            def now(cls, tz: datetime.tzinfo | None = None) -> datetime.datetime:  # type: ignore[override]
                return true.now(tz) + datetime.timedelta(seconds=step_s)

        self._replace(time, "time", lambda: now() + step_s)
        self._replace(time, "time_ns", lambda: now_ns() + int(step_s * 1e9))
        self._replace(datetime, "datetime", Stepped)

    async def end(self) -> None:
        """Step it back."""
        await trio.lowlevel.checkpoint()
        self._undo.close()

    def _replace(self, module: object, name: str, value: object) -> None:
        self._undo.callback(setattr, module, name, getattr(module, name))
        setattr(module, name, value)
