"""Checksums: of the catalogue, or of what was downloaded first.

Trust on first use says nothing about the first download. It says that the next one, on
this machine, is the same.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from trioagent.errors import ConfigError
from trioagent.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from trioagent.models.entry import Model, Source

_BLOCK_BYTES = 1 << 20


def sha256_of(path: Path, progress: Callable[[int, int], None]) -> str:
    """The checksum of a file; `progress` is told how much of how much was read."""
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
            done += len(block)
            progress(done, total)
    return digest.hexdigest()


def known(path: Path) -> dict[str, str]:
    """The checksums that were seen first, by address.

    Raises:
        ModelError: the file is there and cannot be read: it must not be ignored.
    """
    return {url: entry["sha256"] for url, entry in _read(path).items()}


def remember(path: Path, sums: Mapping[str, str]) -> None:
    """Add checksums of files that were seen for the first time."""
    entries = _read(path)
    today = datetime.now(UTC).date().isoformat()
    for url, sha256 in sums.items():
        entries.setdefault(url, {"sha256": sha256, "first_seen": today})
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text(json.dumps(entries, indent=1) + "\n", encoding="utf-8")
    new.replace(path)


def expected(
    model: Model, path: Path, *, trust_first: bool
) -> dict[Source, str | None]:
    """What each source must have; None: whatever it has, this once.

    Raises:
        ConfigError: a checksum is known nowhere, and we may not do without.
    """
    seen = known(path)
    sums = {source: source.sha256 or seen.get(source.url) for source in model.sources}
    if not trust_first and None in sums.values():
        raise ConfigError(
            f"{model.name}: nobody here knows the checksum of what would be downloaded",
            hint=f"`trioagent models pull {model.name} --trust-first` downloads it, "
            "shows the checksum, and refuses another one from then on.",
        )
    return sums


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        entries: dict[str, dict[str, Any]] = json.loads(path.read_bytes())
        for entry in entries.values():
            _ = str(entry["sha256"])
    except FileNotFoundError:
        return {}
    # RecursionError: JSON that is nested deeper than anybody would write.
    except (
        *(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError),
    ) as error:
        raise ModelError(
            f"{path}, the checksums that were seen first, cannot be read",
            hint="Restore it, or delete it to trust the next download anew.",
        ) from error
    return entries
