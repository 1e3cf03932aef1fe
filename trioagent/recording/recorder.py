"""Writes down what a tape holds, while the agent goes on.

Files are written in a thread, a few times a second. A disk that is full, gone or stuck
costs the recording, never a turn.
"""

from __future__ import annotations

import logging
import tempfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar, TypeVarTuple

import attrs
import trio

from trioagent.config import Config
from trioagent.configuration.render import config_tables
from trioagent.errors import ConfigError
from trioagent.forgetting import NotDeleted
from trioagent.interfaces import Room
from trioagent.private import private_folder
from trioagent.recording import format as f
from trioagent.recording.announcing import announce
from trioagent.recording.tape import RoomTape
from trioagent.recording.taps import tap
from trioagent.recording.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

    from trioagent.agent import Parts
    from trioagent.interfaces import Speaker

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

# What is written at once survives a killed process; half a second may be lost.
FLUSH_S = 0.2
# After that, what is not written at the end is given up: leaving must not take long.
LAST_FLUSH_S = 0.5
# How often old recordings are looked for while nobody speaks.
PRUNE_S = 600.0

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Recorder:
    """Records one agent's turns; it gets `tap(parts)`, and `tape` as an observer.

    `run` belongs beside the agent.
    """

    config: Config
    tape: RoomTape = attrs.Factory(RoomTape)
    kept: str = "recordings"
    """As a `trioagent.forgetting.Keeper`, it keeps these."""
    _writer: Writer | None = None
    _room: Room | None = None
    _disk: trio.CapacityLimiter = attrs.Factory(lambda: trio.CapacityLimiter(1))

    def check_folder(self) -> None:
        """Look now whether there can be recordings: at the first turn it is late.

        Raises:
            ConfigError: the folder cannot be made, or not written to.
        """
        folder = self._parent
        try:
            private_folder(folder)
            with tempfile.TemporaryFile(dir=folder):
                pass
        except OSError as error:
            raise ConfigError(
                f"recording.folder: cannot record into {folder}: {error.strerror}",
                hint="name a folder that can be written to, or record nothing",
            ) from error

    def tap(self, parts: Parts) -> Parts:
        """The parts, observed."""
        self._room = parts.room
        rate_hz = parts.synthesizer.rate_hz
        facts = f.Header(
            recording=f.VERSION,
            program=metadata.version("trioagent"),
            label="",
            agent=parts.room.name,
            config=config_tables(self.config),
            providers={
                "vad": self.config.vad.provider,
                "asr": self.config.asr.provider,
                "llm": parts.language_model.name,
                "tts": self.config.tts.provider,
            },
            vad_frame_samples=parts.vad.stream().frame_samples,
            synthesizer_rate_hz=rate_hz,
            room_rate_hz=parts.room.frame_rate_hz(rate_hz),
            memory={},
            present=(),
            ears=(),
        )
        self._writer = Writer(self.config.recording, facts)
        return tap(parts, self.tape)

    async def run(self) -> NoReturn:
        """Write until cancelled, and then what is left, if the disk takes it soon."""
        text = self.config.recording.announcement
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_limits, name="old recordings")
            if text and self._room is not None:
                nursery.start_soon(
                    announce, text, self.tape, self._room, name="announcement"
                )
            try:
                while True:
                    await trio.sleep(FLUSH_S)
                    await self._flush()
            finally:
                soon = trio.current_time() + LAST_FLUSH_S
                with trio.CancelScope(shield=True, deadline=soon) as last:
                    self._collect()
                    self._written.leaving = True
                    await self._on_disk(self._written.close)
                if last.cancelled_caught:
                    self._tell_what_is_lost()

    async def forget(self, speaker: Speaker) -> int:
        """Delete the recordings in which this speaker is heard; how many.

        Also what is being recorded now: it goes on in the next recording.

        Raises:
            NotDeleted: some could not be deleted.
        """
        takes = [take for take in self.tape.takes if take.concerns(speaker)]
        for take in takes:
            take.forget()
        deleted, failed = await self._on_disk(self._written.forget, takes, speaker)
        if failed:
            raise NotDeleted(f"{failed} of {deleted + failed}")
        return deleted

    async def _keep_limits(self) -> NoReturn:
        while True:
            await self._on_disk(self._written.prune)
            await trio.sleep(PRUNE_S)

    async def _flush(self) -> None:
        """Write what the takes hold; finish those that are over."""
        self._collect()
        if self._written.waiting:
            await self._on_disk(self._written.write)

    def _tell_what_is_lost(self) -> None:
        cut_off = {take for take, _, _ in tuple(self._written.waiting)}
        log.warning(
            "%s took too long to write to while leaving: %d recordings are cut off",
            self._parent,
            len(cut_off),
        )

    def _collect(self) -> None:
        takes = self.tape.takes
        self._written.waiting.extend((t, t.over, t.drain()) for t in takes)
        while takes and takes[0].over:
            takes.popleft()

    async def _on_disk(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """Return `fn(*args)`, run in a thread after all that was asked before.

        If cancelled, it is abandoned, and what comes next waits for it: files are in
        one thread's hands.
        """
        return await trio.to_thread.run_sync(
            fn, *args, abandon_on_cancel=True, limiter=self._disk
        )

    @property
    def _written(self) -> Writer:
        if self._writer is None:
            raise RuntimeError("nothing is tapped")
        return self._writer

    @property
    def _parent(self) -> Path:
        return Path(self.config.recording.folder)
