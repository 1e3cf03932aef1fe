"""A folder of pages: one for each recording, and one that lists them.

They tell what people said, so only the owner can read them, as it is with recordings.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import attrs

from trioagent.errors import TrioagentError
from trioagent.pages import index
from trioagent.pages.page import render
from trioagent.pages.stories import Story, stories
from trioagent.recording.reader import RecordingError, load

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from trioagent.recording.recording import Recording

PLOTLY = "plotly.min.js"
INDEX = "index.html"
_HINT = "give --html a folder that can be written to"


class PageError(TrioagentError):
    """A page that could not be written."""


@attrs.frozen
class Listed:
    """What the list of pages says of a recording."""

    page: str
    """The name of its file."""
    label: str
    turns: tuple[Story, ...]
    complete: bool


def names(recordings: Sequence[Path]) -> dict[Path, str]:
    """A name for each recording's page; no two are the same."""
    taken: set[str] = {INDEX}
    found: dict[Path, str] = {}
    for path in recordings:
        stem = path.resolve().name
        number = 1
        name = f"{stem}.html"
        while name.lower() in taken:
            number += 1
            name = f"{stem}-{number}.html"
        taken.add(name.lower())
        found[path] = name
    return found


def write_page(item: tuple[Path, str], folder: Path) -> Listed:
    """Write the page of the recording at `item[0]` into the file `item[1]`.

    Raises:
        RecordingError: the recording cannot be used.
        PageError: the page cannot be written.
    """
    path, name = item
    recording = load(path)
    try:
        turns = stories(recording)
        page = render(recording, turns)
    except (KeyError, TypeError, ValueError) as error:
        what = f"{path}: its events are not as they are recorded: {error!r}"
        raise RecordingError(what, hint="edited? Restore it, or delete it") from error
    _write(folder / name, page)
    return _listed(name, recording, turns)


def prepare(folder: Path) -> None:
    """Make the folder, with what its pages share.

    Raises:
        PageError: it cannot be made, or written to.
    """
    from plotly.offline import get_plotlyjs  # noqa: PLC0415 - slow to import

    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from error
    _write(folder / PLOTLY, get_plotlyjs())


def write_index(folder: Path, listed: Iterable[Listed]) -> Path:
    """Write the list of pages; its path.

    Raises:
        PageError: it cannot be written.
    """
    rows = [
        (one.page, one.label, turn)
        for one in sorted(listed, key=lambda one: one.label)
        for turn in one.turns
    ]
    _write(folder / INDEX, index.render(rows))
    return folder / INDEX


def _listed(name: str, recording: Recording, turns: tuple[Story, ...]) -> Listed:
    # The events are not needed any more, and would be sent between processes.
    short = tuple(attrs.evolve(turn, events=(), drafts=()) for turn in turns)
    return Listed(name, recording.header.label, short, recording.complete)


def _write(path: Path, text: str) -> None:
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
        with open(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123 - a Path opens no descriptor
            file.write(text)
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> PageError:
    return PageError(f"{path}: cannot be written: {error.strerror}", hint=_HINT)
