"""Recordings under many settings, in all cores."""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from trioagent.errors import TrioagentError
from trioagent.recording.reader import load
from trioagent.replay.pool import each
from trioagent.replay.settings import recorded_config
from trioagent.replay.what_if.effects import Effects, Run, run_of, together
from trioagent.replay.what_if.parts import Known, what_if
from trioagent.tuning.ranges import Setting, overrides

if TYPE_CHECKING:
    from collections.abc import Sequence

log = logging.getLogger(__name__)

AS_RECORDED: Setting = ()
# A process costs as much as about so many runs.
RUNS_WORTH_A_PROCESS = 100
# So that no core waits for another one's last piece.
PIECES_PER_PROCESS = 4


@attrs.frozen
class _Work:
    """Some settings to be tried on one recording."""

    path: Path
    settings: tuple[Setting, ...]
    keys: tuple[str, ...]


@attrs.frozen
class _Tried:
    runs: tuple[Run, ...]
    recorded: tuple[Any, ...]
    """What the keys were set to."""


@attrs.define(eq=False)
class Trials:
    """Tries settings on recordings; those that cannot be used are told once.

    Attributes:
        usable: The recordings that can be.
        failed: How many cannot.
    """

    usable: list[Path]
    keys: tuple[str, ...]
    jobs: int | None = None
    failed: int = 0
    _values: dict[str, Counter[Any]] = attrs.Factory(dict)

    def run(self, settings: Sequence[Setting]) -> list[Effects]:
        """What each setting comes to, over all recordings."""
        runs: dict[Setting, list[Run]] = {setting: [] for setting in settings}
        broken: dict[Path, TrioagentError] = {}
        jobs = self._jobs(len(settings))
        work = self._work(settings, jobs)
        what = f"trying {len(settings)} settings"
        for piece, tried in each(try_out, work, jobs=jobs, what=what):
            if isinstance(tried, TrioagentError):
                broken.setdefault(piece.path, tried)
                continue
            for setting, run in zip(piece.settings, tried.runs, strict=True):
                runs[setting].append(run)
            self._count(tried.recorded)
        for path, error in broken.items():
            text = str(error)
            log.error("%s", text if str(path) in text else f"{path}: {text}")
            self.usable.remove(path)
        self.failed += len(broken)
        return [together(runs[setting]) for setting in settings]

    def recorded(self) -> dict[str, Any]:
        """What most recordings had the keys set to."""
        return {key: seen.most_common(1)[0][0] for key, seen in self._values.items()}

    @property
    def alike(self) -> bool:
        """Whether all had them set to the same."""
        return all(len(seen) == 1 for seen in self._values.values())

    def _count(self, recorded: Sequence[Any]) -> None:
        for key, value in zip(self.keys, recorded, strict=True):
            self._values.setdefault(key, Counter())[value] += 1

    def _jobs(self, settings: int) -> int:
        most = self.jobs or os.cpu_count() or 1
        runs = settings * len(self.usable)
        return max(1, min(most, runs // RUNS_WORTH_A_PROCESS))

    def _work(self, settings: Sequence[Setting], jobs: int) -> list[_Work]:
        """A piece per recording, or several where there are few recordings."""
        pieces = 1 if jobs == 1 else PIECES_PER_PROCESS * jobs
        parts = max(1, math.ceil(pieces / max(1, len(self.usable))))
        size = max(1, math.ceil(len(settings) / parts))
        return [
            _Work(path, tuple(settings[start : start + size]), self.keys)
            for path in self.usable
            for start in range(0, len(settings), size)
        ]


def try_out(work: _Work) -> _Tried:
    """Run one recording under each setting.

    Raises:
        TrioagentError: it cannot be used.
    """
    recording = load(work.path)
    known = Known.of(recording)
    config = recorded_config(recording)
    runs = tuple(
        run_of(
            recording, what_if(known, recorded_config(recording, overrides(setting)))
        )
        for setting in work.settings
    )
    return _Tried(runs, tuple(attrgetter(key)(config) for key in work.keys))
