"""What every synthesizer must leave behind: nothing."""

from __future__ import annotations

import os
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import trio

from tests.contract.tts_case import LONG, OTHER, PHRASE, speak
from tests.leaks import no_tasks_left

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.contract.tts_case import Case, Requirement


def _open_files() -> set[str]:
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        try:
            found.add(f"{entry.name} {entry.readlink()}")
        except FileNotFoundError:
            continue  # the listing's own
    return found


@asynccontextmanager
async def _nothing_left(folder: Path) -> AsyncIterator[None]:
    temporary = folder / "temporary"
    temporary.mkdir()
    tempfile.tempdir = str(temporary)
    try:
        async with no_tasks_left():
            before = _open_files()
            yield
        assert _open_files() <= before
        assert list(temporary.iterdir()) == []
    finally:
        tempfile.tempdir = None


async def leaves_nothing_behind(case: Case, folder: Path) -> None:
    # What a library keeps for the life of the process, it may open the first time.
    async with case.open(folder) as tts:
        await speak(tts, OTHER)
    async with _nothing_left(folder):
        async with case.open(folder) as tts:
            await speak(tts, PHRASE)
            with trio.move_on_after(0.005):
                await speak(tts, LONG)
        assert case.is_idle(tts)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


async def needs_no_more_memory_in_time(case: Case, folder: Path) -> None:
    async with case.open(folder) as tts:
        for _ in range(15):
            await speak(tts, LONG)
        before = _resident_bytes()
        for _ in range(30):
            await speak(tts, LONG)
        # Each phrase has some 0.5 MB of audio: 15 MB, were it kept.
        assert _resident_bytes() - before < 6_000_000


REMAINS: list[Requirement] = [leaves_nothing_behind, needs_no_more_memory_in_time]
