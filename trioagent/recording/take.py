"""A recording in the making."""

from __future__ import annotations

import logging

import attrs

from trioagent.decisions.identity import is_of
from trioagent.ear import EarState
from trioagent.interfaces import Pcm, Speaker
from trioagent.memory import Memory
from trioagent.recording import format as f

# More of a recording does not wait for a disk that takes nothing.
MOST_BYTES = 32_000_000

log = logging.getLogger(__name__)


@attrs.define(eq=False)
class Take:
    """A recording in the making: what has not been written to disk yet."""

    started: float
    """When its first turn began, in `trio.current_time()`, as all times here."""
    label: str
    speaker: str
    """Who began it."""
    memory: Memory
    present: tuple[f.Person, ...]
    ears: dict[int, EarState]
    heard: dict[int, f.Person] = attrs.Factory(dict)
    """Whose voices are in it."""
    forgotten: bool = False
    """Whether it must not be kept: nothing more is noted."""
    entries: list[f.Entry] = attrs.Factory(list)
    audio: dict[str, list[Pcm]] = attrs.Factory(dict)
    running: set[int] = attrs.Factory(set)
    """The turns that run."""
    over: bool = False
    _bytes: int = 0
    """Of the audio that waits."""

    def add(self, entry: f.Entry, stem: str = "", pcm: Pcm | None = None) -> None:
        """Note an entry, and the audio that belongs to it."""
        if self.forgotten:
            return
        self.entries.append(entry)
        if pcm is not None and len(pcm):
            self.audio.setdefault(stem, []).append(pcm)
            self._bytes += pcm.nbytes
            if self._bytes > MOST_BYTES:
                log.warning("a recording is cut off: the disk takes too long")
                self.forget()

    def concerns(self, speaker: Speaker) -> bool:
        """Whether something in it is this speaker's, or was remembered of them."""
        ids = {who for who, person in self.heard.items() if _is(person, speaker)}
        known = {who for who, _ in self.memory.answered} | set(self.memory.echoing)
        return (
            bool(ids)
            or speaker.id in known
            or any(
                is_of(speaker, exchange.speaker, exchange.certificate)
                for exchange in self.memory.exchanges
            )
        )

    def forget(self) -> None:
        """Keep nothing of it."""
        self.forgotten = True
        self.drain()

    def drain(self) -> tuple[list[f.Entry], dict[str, list[Pcm]]]:
        """What came since the last call."""
        entries, audio = self.entries, self.audio
        self.entries, self.audio, self._bytes = [], {}, 0
        return entries, audio


def _is(person: f.Person, speaker: Speaker) -> bool:
    return is_of(speaker, person.name, person.certificate)
