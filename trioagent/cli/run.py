"""`trioagent --config FILE`: join the room and talk."""

from __future__ import annotations

import json
import logging
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.app import run_agent
from trioagent.cli.arguments import config_of
from trioagent.journal.latency import metrics
from trioagent.shutdown import until_signal

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from trioagent.interfaces import Room
    from trioagent.journal.events import Event, Observer, TurnJournal

log = logging.getLogger(__name__)


def run(given: argparse.Namespace) -> int:
    """Run the agent until a signal comes."""
    config = config_of(given)
    if given.record is not None:
        recording = attrs.evolve(config.recording, folder=str(given.record))
        config = attrs.evolve(config, recording=recording)
    if given.config is None:
        log.info("no --config FILE: every key has its default")
    observers: list[Observer] = [_print_turn] if given.json else []

    def on_ready(room: Room) -> None:
        log.info(
            "%s listens in %s: join with any Mumble client", room.name, room.address
        )
        if given.json:
            _print(event="ready", name=room.name, address=room.address)

    async def main() -> None:
        await run_agent(config, observers, on_ready)

    with _watching(observers) if given.watch else nullcontext():
        return trio.run(until_signal, main)


@contextmanager
def _watching(observers: list[Observer]) -> Iterator[None]:
    from trioagent.cli.watch import Watch  # noqa: PLC0415 - slow to import

    watch = Watch()
    observers.append(watch)
    with watch.shown():
        yield


def _print_turn(journal: TurnJournal, event: Event) -> None:
    if event.name == "outcome":
        _print(
            event="turn",
            turn=journal.number,
            speaker=journal.speaker,
            outcome=event.data["kind"],
            **metrics(journal.events),
        )


def _print(**row: object) -> None:
    print(json.dumps(row, ensure_ascii=False), flush=True)  # noqa: T201 - --json
