"""Recognizers that hang, as an installed package of providers: for tests of leaving.

`install` makes a folder that says so; on PYTHONPATH, the agent finds them by name.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.interfaces import Pcm
from trioagent.offload import ThreadOffload
from trioagent.plugins import Provider

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

LOADING_S, HANGING_S = 5.0, 60.0


def install(folder: Path) -> Path:
    """Make the folder."""
    about = folder / "hanging_parts-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: hanging-parts\n")
    (about / "entry_points.txt").write_text(
        "[trioagent.asr]\nslow = tests.e2e.hanging_parts:SLOW\n"
        "hung = tests.e2e.hanging_parts:HUNG\n"
    )
    return folder


@attrs.frozen
class Options:
    """None."""


@asynccontextmanager
async def open_slow(options: Options) -> AsyncIterator[Hung]:
    """Load for a long time, in a thread, as big models do."""
    await trio.to_thread.run_sync(time.sleep, LOADING_S, abandon_on_cancel=True)
    yield Hung()


@asynccontextmanager
async def open_hung(options: Options) -> AsyncIterator[Hung]:
    """Be there at once."""
    await trio.lowlevel.checkpoint()
    yield Hung()


class Hung:
    """A recognizer whose every call hangs in its thread."""

    def __init__(self) -> None:
        self._offload = ThreadOffload()

    @asynccontextmanager
    async def stream(self) -> AsyncIterator[Hung]:
        await trio.lowlevel.checkpoint()
        yield self

    async def feed(self, pcm: Pcm) -> str:
        await self._offload(time.sleep, HANGING_S)
        return ""

    async def finish(self) -> str:
        return await self.feed(Pcm([]))


SLOW = Provider(Options, open_slow)
HUNG = Provider(Options, open_hung)
