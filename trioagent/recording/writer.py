"""Takes, written into folders. All of it blocks: call it in a thread, one at a time."""

from __future__ import annotations

import logging
import math
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import cattrs

from trioagent.config import RecordingConfig
from trioagent.interfaces import Pcm
from trioagent.recording import format as f
from trioagent.recording.folder import RecordingFolder
from trioagent.recording.forgetting import forget
from trioagent.recording.limits import delete, pruned
from trioagent.recording.take import Take

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trioagent.ear import EarState
    from trioagent.interfaces import Speaker

Batch = tuple[list[f.Entry], dict[str, list[Pcm]]]
Piece = tuple[Take, bool, Batch]
"""Of a take; whether it is over then; what came of it."""

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Writer:
    """Writes what waits. A disk that is full or gone costs the recording, never a turn.

    Attributes:
        waiting: What is not written yet; may be added to at any time.
        leaving: Set when only what waits is still to be written.
    """

    config: RecordingConfig
    facts: f.Header
    waiting: deque[Piece] = attrs.Factory(deque)
    leaving: bool = False
    _folders: dict[Take, RecordingFolder] = attrs.Factory(dict)
    _given_up: set[Take] = attrs.Factory(set)
    _failing: bool = False

    def write(self) -> None:
        """Write what waits; finish the takes that are over."""
        finished = False
        while self.waiting:
            # It stays there until it is written, for who asks what was lost.
            take, over, batch = self.waiting[0]
            self._write_piece(take, batch, over=over)
            self.waiting.popleft()
            finished = finished or over
        if finished and not self.leaving:
            self.prune()

    def close(self) -> None:
        """Write what waits; takes that are not over end here."""
        self.write()
        for folder in self._folders.values():
            folder.abandon()
        self._folders.clear()

    def forget(self, takes: Iterable[Take], speaker: Speaker) -> tuple[int, int]:
        """Delete these takes, and recordings in which the speaker is heard.

        Returns:
            How many were deleted, and how many could not be.
        """
        deleted = failed = 0
        making = [folder.path for folder in self._folders.values()]
        for take in takes:
            self._given_up.discard(take)
            if (folder := self._folders.pop(take, None)) is not None:
                folder.abandon()
                done = delete(folder.path)
                deleted, failed = deleted + done, failed + (not done)
        more, left = forget(self._parent, speaker, making)
        return deleted + more, failed + left

    def prune(self) -> None:
        """Delete what is too much, or too old."""
        limits = self.config
        try:
            for _path in pruned(
                self._parent,
                max_bytes=round(limits.max_mb * 1e6),
                max_age_s=limits.max_age_days * 86_400,
                now=time.time(),
                keep=[folder.path for folder in self._folders.values()],
            ):
                if self.leaving:
                    return
        except OSError as error:
            log.warning("cannot look for old recordings: %s", error)

    def _write_piece(self, take: Take, batch: Batch, *, over: bool) -> None:
        if take not in self._given_up and not take.forgotten:
            try:
                self._append(take, batch)
                if over:
                    self._folders.pop(take).finish()
                    self._failing = False
            except OSError as error:
                self._give_up(take, error)
        if over:
            self._given_up.discard(take)
            if (folder := self._folders.pop(take, None)) is not None:
                folder.abandon()

    def _append(self, take: Take, batch: Batch) -> None:
        folder = self._folders.get(take)
        if folder is None:
            folder = self._create(take)
        entries, audio = batch
        if entries:
            folder.append([f.moved(x, -take.started) for x in entries], audio)

    def _create(self, take: Take) -> RecordingFolder:
        header = attrs.evolve(
            self.facts,
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

    @property
    def _parent(self) -> Path:
        return Path(self.config.folder)


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
