"""What the cells of one process share."""

from __future__ import annotations

import logging
import os
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from providers.asr import sherpa_child
from providers.rooms.mumble import link, udp
from providers.rooms.murmurd import Murmurd, MurmurdSettings, open_murmurd
from tests.e2e.agents import overrides
from tests.e2e.faults import programs, replies
from tests.e2e.faults.names import Names
from tests.e2e.faults.person import talks_of
from tests.e2e.faults.remains import Tracebacks
from tests.e2e.faults.witness import watch_agents
from trioagent.app import open_recognizer, open_synthesizer
from trioagent.calling.utterances import Frame
from trioagent.configuration.file import load_config
from trioagent.interfaces import Recognizer

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from tests.e2e.faults.table import Cell

# What is gone is noticed in seconds, not in tens of them.
LINK_PING_S, LINK_SILENT_S = 0.5, 2.5
CHILD_CLOSE_S = 1.0


@attrs.define(eq=False)
class Stage:
    """What the cells share."""

    folder: Path
    murmurd: Murmurd
    recognizer: Recognizer
    talks: dict[str, tuple[Frame, ...]]
    names: Names
    tracebacks: Tracebacks
    wyoming_port: int
    ports_from: int
    _ports: int = 0

    def port(self) -> int:
        """A port of its own for a server that comes back on it."""
        self._ports += 1
        return programs.free_port(self.ports_from + 7 * self._ports)


@asynccontextmanager
async def open_stage(folder: Path, cells: Sequence[Cell]) -> AsyncIterator[Stage]:
    """Open what these cells share; what takes patience takes little."""
    link.PING_S, link.SILENT_S = LINK_PING_S, LINK_SILENT_S
    udp.PING_S, udp.DEAD_AFTER_S = LINK_PING_S, LINK_SILENT_S
    sherpa_child.CLOSE_TIMEOUT_S = CHILD_CLOSE_S
    watch_agents()
    tracebacks, names = Tracebacks(), Names()
    logging.getLogger().addHandler(tracebacks)
    logging.getLogger("trioagent").setLevel(logging.INFO)
    trio.socket.set_custom_hostname_resolver(names)
    first_port = (os.getpid() * 97) % 7000
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        stack.callback(logging.getLogger().removeHandler, tracebacks)
        certificates = folder / "certificates"
        channels = tuple(f"room{number}" for number in range(len(cells)))
        murmurd = await enter(
            open_murmurd(
                MurmurdSettings(certificate_folder=certificates, channels=channels)
            )
        )
        config = load_config(None, overrides(folder))
        recognizer = await enter(open_recognizer(config))
        synthesizer = await enter(open_synthesizer(config))
        talks = await talks_of(synthesizer, replies.REPLIES)
        port = programs.free_port(first_port)
        if any(cell.target == "asr" for cell in cells):
            await enter(programs.program(port, *programs.recognizer_arguments(port)))
        yield Stage(
            folder, murmurd, recognizer, talks, names, tracebacks, port, first_port
        )
