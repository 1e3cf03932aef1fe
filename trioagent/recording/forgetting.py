"""Deleting the recordings in which somebody is heard. Blocks.

Somebody is heard in a recording if it has audio of theirs, or if the agent remembered
at its beginning what they had said: its prompts may hold their words, too, then.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from trioagent.decisions.identity import is_of
from trioagent.recording.format import TURN_FILE, heard_by
from trioagent.recording.limits import delete, recordings_in

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from trioagent.interfaces import Speaker

log = logging.getLogger(__name__)

_JOINED = b'"joined"'


def forget(
    parent: Path, speaker: Speaker, keep: Collection[Path] = ()
) -> tuple[int, int]:
    """Delete whole recordings right in `parent`, but for those in `keep`.

    Returns:
        How many were deleted, and how many could not be read or deleted.
    """
    deleted = failed = 0
    for found in recordings_in(parent):
        if found.path in keep:
            continue
        try:
            concerned = _concerns(found.path, speaker)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("cannot tell who is heard in %s: %s", found.path, error)
            failed += 1
            continue
        if concerned:
            done = delete(found.path)
            deleted, failed = deleted + done, failed + (not done)
    return deleted, failed


def _concerns(folder: Path, speaker: Speaker) -> bool:
    names = {path.name.partition(".")[0] for path in folder.iterdir()}
    with (folder / TURN_FILE).open("rb") as file:
        header = json.loads(file.readline())
        if any(_is(said, speaker, "speaker") for said in _exchanges(header)):
            return True
        people = [*header["present"], *_joined(file)]
    return any(
        heard_by(person["id"]) in names and _is(person, speaker, "name")
        for person in people
    )


def _exchanges(header: dict[str, Any]) -> list[dict[str, Any]]:
    exchanges: list[dict[str, Any]] = header["memory"].get("exchanges", [])
    return exchanges


def _joined(lines: Iterator[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        # Parsing all of it would take long; and the last line may be cut off.
        if _JOINED not in line or not line.endswith(b"\n"):
            continue
        entry = json.loads(line)
        if entry.get("what") == "joined":
            yield entry["person"]


def _is(row: dict[str, Any], speaker: Speaker, name: str) -> bool:
    return is_of(speaker, row[name], row.get("certificate", ""))
