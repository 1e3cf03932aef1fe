"""`trioagent models list|pull|path`: which models there are, and to have them here."""

from __future__ import annotations

import json
import logging
import textwrap
from contextlib import contextmanager
from typing import TYPE_CHECKING

import attrs

from trioagent.models.catalogue import CATALOGUE, get
from trioagent.models.folder import ModelsFolder, models_folder
from trioagent.models.pull import Pulled, Puller, megabytes
from trioagent.models.resolving import resolve
from trioagent.visible import json_line

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

    from trioagent.models.download import Report
    from trioagent.models.entry import Model

log = logging.getLogger(__name__)


def run(given: argparse.Namespace) -> int:
    """Do what was asked; ModelError or ConfigError if it cannot be done."""
    folder = models_folder()
    if given.action == "list":
        _list(given, folder)
    elif given.action == "pull":
        _pull(given, folder)
    else:
        path = resolve(get(given.name).name, folder)
        _print(json.dumps({"model": given.name, "path": str(path)}), str(path), given)
    return 0


def _list(given: argparse.Namespace, folder: ModelsFolder) -> None:
    models = [get(name) for name in given.names] or CATALOGUE
    for model in models:
        if given.kind in {None, model.kind}:
            row = json_line(_row(model, folder))
            text = _details(model, folder) if given.names else _line(model, folder)
            _print(row, text, given)


def _line(model: Model, folder: ModelsFolder) -> str:
    size, state = megabytes(model.download_bytes), _state(model, folder)
    checksum = f"checksum {model.checksum}"
    first = f"{model.name:<21} {model.kind}  {size:>8}  {checksum:<23}  {state}"
    return f"{first.rstrip()}\n    {model.purpose}"


def _details(model: Model, folder: ModelsFolder) -> str:
    sources = "\n".join(
        f"  {source.url}\n    SHA-256 {source.sha256 or 'not pinned yet'}"
        for source in model.sources
    )
    config = textwrap.indent(model.config, "    ")
    return (
        f"{_line(model, folder)}\n"
        f"  licence  {model.licence}\n"
        f"  needs    {model.needs}\n"
        f"  disk     {megabytes(model.unpacked_bytes)}\n"
        f"{sources}\n\n{config}"
    )


def _state(model: Model, folder: ModelsFolder) -> str:
    if not folder.is_there(model.name):
        return ""
    return "damaged" if folder.damage(model.name) else "here"


def _row(model: Model, folder: ModelsFolder) -> dict[str, object]:
    row = attrs.asdict(model)
    return row | {
        "download_bytes": model.download_bytes,
        "checksum": model.checksum,
        "state": _state(model, folder),
        "path": str(folder.of(model.name)),
    }


def _pull(given: argparse.Namespace, folder: ModelsFolder) -> None:
    models = [get(name) for name in given.names]
    for model in models:
        try:
            with _progress() as report:
                pulled = Puller(folder, report).pull(
                    model, trust_first=given.trust_first, again=given.again
                )
        except KeyboardInterrupt:
            log.info("interrupted: pull again to go on from here")
            raise
        row = json.dumps(
            {
                "model": model.name,
                "outcome": pulled.outcome,
                "path": str(pulled.path),
                "trusted": pulled.trusted,
            }
        )
        _print(row, _report(pulled), given)


def _report(pulled: Pulled) -> str:
    lines = [f"{pulled.model.name}: {pulled.outcome}, {pulled.path}"]
    for url, sha256 in pulled.trusted.items():
        lines.append(f"  trusted from now on: SHA-256 {sha256}\n    {url}")
    config = textwrap.indent(pulled.model.config, "    ")
    return "\n".join([*lines, "", config])


@contextmanager
def _progress() -> Iterator[Report]:
    """A bar for each thing that is done, on stderr; none where that is no terminal."""
    from rich import progress as bars  # noqa: PLC0415 - slow to import
    from rich.console import Console  # noqa: PLC0415 - slow to import

    from trioagent.cli.watch import logs_above  # noqa: PLC0415 - imports rich

    columns = (
        bars.TextColumn("{task.description}"),
        bars.BarColumn(),
        bars.DownloadColumn(),
        bars.TransferSpeedColumn(),
        bars.TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    tasks: dict[str, bars.TaskID] = {}
    with bars.Progress(*columns, console=console, transient=True) as progress:

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(what, total=total)
            progress.update(tasks[what], completed=done, total=total)

        with logs_above():
            yield report


def _print(row: str, text: str, given: argparse.Namespace) -> None:
    print(row if given.json else text, flush=True)  # noqa: T201 - the answer
