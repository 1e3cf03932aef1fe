"""Writes down what a tape holds, while the agent goes on.

Files are written in a thread, a few times a second. A disk that is full or gone costs
the recording, never a turn.
"""

from __future__ import annotations

import logging
import math
import tempfile
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import attrs
import cattrs
import trio

from trioagent.config import Config
from trioagent.configuration.render import config_tables
from trioagent.errors import ConfigError
from trioagent.interfaces import Pcm, Room
from trioagent.recording import format as f
from trioagent.recording.folder import RecordingFolder
from trioagent.recording.limits import prune
from trioagent.recording.tape import RoomTape, Take
from trioagent.recording.taps import tap

if TYPE_CHECKING:
    from trioagent.agent import Parts
    from trioagent.ear import EarState

# What is written at once survives a killed process; half a second may be lost.
FLUSH_S = 0.2
# After that, what is not written at the end is given up.
LAST_FLUSH_S = 5.0
# Who comes within this time after an announcement is told with the next one.
ANNOUNCE_S = 15.0

Batch = tuple[list[f.Entry], dict[str, list[Pcm]]]

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Recorder:
    """Records one agent's turns; it gets `tap(parts)`, and `tape` as an observer.

    `run` belongs beside the agent.
    """

    config: Config
    tape: RoomTape = attrs.Factory(RoomTape)
    _facts: f.Header | None = None
    _room: Room | None = None
    _folders: dict[Take, RecordingFolder] = attrs.Factory(dict)
    _given_up: set[Take] = attrs.Factory(set)
    _failing: bool = False

    def check_folder(self) -> None:
        """Look now whether there can be recordings: at the first turn it is late.

        Raises:
            ConfigError: the folder cannot be made, or not written to.
        """
        folder = self._parent
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
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
        self._facts = f.Header(
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
        return tap(parts, self.tape)

    async def run(self) -> NoReturn:
        """Write until cancelled, and then what is left."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._announce, name="announce the recording")
            try:
                while True:
                    await trio.sleep(FLUSH_S)
                    await self._flush()
            finally:
                deadline = trio.current_time() + LAST_FLUSH_S
                with trio.CancelScope(shield=True, deadline=deadline):
                    await self._flush(last=True)
                    await trio.to_thread.run_sync(
                        self._abandon_all, abandon_on_cancel=True
                    )

    async def _announce(self) -> None:
        """Tell those who are there, and those who come, but not at every coming."""
        text, room = self.config.recording.announcement, self._room
        while text and room is not None:
            await self.tape.news.wait()
            self.tape.news = trio.Event()
            await room.send_text(text)
            await trio.sleep(ANNOUNCE_S)

    async def _flush(self, *, last: bool = False) -> None:
        """Write what the takes hold; finish those that are over."""
        takes = self.tape.takes
        work = [(take, take.over, take.drain()) for take in takes]
        while takes and takes[0].over:
            takes.popleft()
        if work:
            # Abandoned, it would go on beside the next one: only the last may be.
            await trio.to_thread.run_sync(self._write_all, work, abandon_on_cancel=last)

    # --- in the thread -----------------------------------------------------------

    def _write_all(self, work: list[tuple[Take, bool, Batch]]) -> None:
        for take, over, batch in work:
            if take in self._given_up:
                continue
            try:
                self._write(take, batch)
                if over:
                    self._folders.pop(take).finish()
                    self._failing = False
            except OSError as error:
                self._give_up(take, error)
        over_now = [take for take, over, _ in work if over]
        self._given_up.difference_update(over_now)
        if over_now:
            self._prune()

    def _write(self, take: Take, batch: Batch) -> None:
        folder = self._folders.get(take)
        if folder is None:
            folder = self._create(take)
        entries, audio = batch
        if entries:
            folder.append([f.moved(x, -take.started) for x in entries], audio)

    def _create(self, take: Take) -> RecordingFolder:
        if self._facts is None:
            raise RuntimeError("nothing is tapped")
        header = attrs.evolve(
            self._facts,
            label=take.label,
            memory=cattrs.unstructure(take.memory.later(-take.started)),
            present=take.present,
            ears=tuple(_ear(who, ear, take.started) for who, ear in take.ears.items()),
        )
        label = take.label.replace("+00:00", "Z")
        name = f"{label} {take.memory.turns + 1} {take.speaker}"
        folder = RecordingFolder.create(self._parent, name, header)
        self._folders[take] = folder
        kept = {
            f.heard_by(who): [heard.pcm for heard in ear.pre_roll]
            for who, ear in take.ears.items()
        }
        folder.append([], kept)
        return folder

    def _give_up(self, take: Take, error: OSError) -> None:
        """This take ends here; the next one may find room again."""
        self._given_up.add(take)
        if (folder := self._folders.pop(take, None)) is not None:
            folder.abandon()
        # Once, not at every turn while it lasts.
        level = logging.DEBUG if self._failing else logging.WARNING
        reason = error.strerror or error
        log.log(level, "cannot record into %s: %s", self._parent, reason)
        self._failing = True

    def _prune(self) -> None:
        limits = self.config.recording
        try:
            prune(
                self._parent,
                max_bytes=round(limits.max_mb * 1e6),
                max_age_s=limits.max_age_days * 86_400,
                now=time.time(),
                keep=[folder.path for folder in self._folders.values()],
            )
        except OSError as error:
            log.warning("cannot look for old recordings: %s", error)

    def _abandon_all(self) -> None:
        for folder in self._folders.values():
            folder.abandon()
        self._folders.clear()

    @property
    def _parent(self) -> Path:
        return Path(self.config.recording.folder)


def _ear(speaker: int, ear: EarState, started: float) -> f.Ear:
    kept = (
        f.Kept(round(x.time - started, 6), len(x.pcm), x.speech, x.ends_talk)
        for x in ear.pre_roll
    )
    return f.Ear(
        speaker,
        ear.last_packet - started if math.isfinite(ear.last_packet) else None,
        ear.left_over,
        ear.speaking,
        ear.run_s,
        ear.listened,
        tuple(kept),
    )
