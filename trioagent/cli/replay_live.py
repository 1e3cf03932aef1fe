"""`trioagent replay PATH… --live KINDS`: recorded speech, today's providers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.cli.arguments import config_of
from trioagent.config import Config
from trioagent.errors import ConfigError, TrioagentError, own_errors
from trioagent.recording.reader import load
from trioagent.replay.live.result import (
    LiveResult,
    result_of,
    rows,
    summary,
    summary_row,
)
from trioagent.replay.live.run import KINDS, Live, TimedRecognizer, open_live, run_live
from trioagent.replay.live.transcripts import read_transcripts
from trioagent.shutdown import until_signal
from trioagent.visible import json_line

if TYPE_CHECKING:
    import argparse


log = logging.getLogger(__name__)


def run(given: argparse.Namespace, recordings: Sequence[Path]) -> int:
    """Run them one after the other.

    1 if one cannot be used, or a turn fails; 2 if a provider cannot be used.

    Raises:
        ConfigError: a kind or the transcripts cannot be used.
    """
    kinds = kinds_of(given.live)
    config = config_of(given)
    names = {path.name for path in recordings}
    said = read_transcripts(given.transcripts, names) if given.transcripts else {}
    session = _Session(config, kinds, recordings, said, given.json)
    try:
        trio.run(until_signal, session.run)
    except (TrioagentError, BaseExceptionGroup) as error:
        # Of recordings, they have been told: these are the providers'.
        for own in own_errors(error):
            log.error("%s", own)  # noqa: TRY400 - a message for the user
        return 2
    session.sum_up()
    return session.status


def kinds_of(text: str) -> tuple[str, ...]:
    """The kinds in "asr,llm".

    Raises:
        ConfigError: there is none of that name.
    """
    kinds = tuple(kind.strip() for kind in text.split(","))
    for kind in kinds:
        if kind not in KINDS:
            raise ConfigError(
                f"--live {text}: there is no kind {kind!r}",
                hint=f"name some of {', '.join(KINDS)}, with commas between them",
            )
    return kinds


@attrs.define(eq=False)
class _Session:
    """All recordings, with providers that are opened once."""

    config: Config
    kinds: Sequence[str]
    recordings: Sequence[Path]
    said: Mapping[str, str]
    as_json: bool
    results: list[LiveResult] = attrs.Factory(list)

    async def run(self) -> None:
        """Run them all."""
        async with open_live(self.config, self.kinds) as live:
            for number, path in enumerate(self.recordings, 1):
                log.info("%d of %d: %s", number, len(self.recordings), path)
                try:
                    result = await self._run_one(path, live)
                except TrioagentError as error:
                    log.error("%s", error)  # noqa: TRY400 - a message for the user
                    continue
                self.results.append(result)
                if self.as_json:
                    for row in rows(result):
                        _print(row)

    @property
    def status(self) -> int:
        """1 if a recording was not run, or a turn fails now that did not then."""
        failed = any(turn.failed for result in self.results for turn in result.turns)
        return 1 if failed or len(self.results) < len(self.recordings) else 0

    def sum_up(self) -> None:
        """Print what all came to: also what there is, if it was broken off."""
        found = summary(self.results)
        if self.as_json:
            _print(summary_row(found))
        elif self.results:
            from trioagent.replay.live.table import show  # noqa: PLC0415 - loads rich

            show(self.results, found)

    async def _run_one(self, path: Path, live: Live) -> LiveResult:
        recording = await trio.to_thread.run_sync(load, path)
        for warning in recording.warnings:
            log.warning("%s: %s", path, warning)
        recognizer = TimedRecognizer(live.recognizer) if live.recognizer else None
        live = attrs.evolve(live, recognizer=recognizer)
        made = await run_live(recording, self.config, live)
        said = self.said.get(path.name)
        result = result_of(recording, made, said, heard=recognizer is not None)
        if recognizer is None or not recognizer.audio_s:
            return result
        return attrs.evolve(result, speed=recognizer.busy_s / recognizer.audio_s)


def _print(row: dict[str, object]) -> None:
    print(json_line(row), flush=True)  # noqa: T201 - --json
