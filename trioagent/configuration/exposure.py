"""Secrets that stand in a configuration file which others on this machine may read."""

from __future__ import annotations

import logging
import stat
from typing import TYPE_CHECKING, Any

from trioagent.configuration.render import MASK

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

log = logging.getLogger(__name__)

_OTHERS_MAY_READ = stat.S_IRGRP | stat.S_IROTH


def warn_of_readable_secrets(
    path: Path, written: dict[str, Any], masked: dict[str, Any]
) -> None:
    """Warn if secrets stand in `path` itself, and others may read it.

    Args:
        path: The file.
        written: Its tables as they stand in it.
        masked: The tables of the configuration made of it, with secrets masked.
    """
    try:
        mode = path.stat().st_mode
    except OSError:
        return
    found = list(_literal("", written, masked))
    if found and mode & _OTHERS_MAY_READ:
        log.warning(
            "%s: others on this machine can read it, and it holds %s: write "
            '"${NAME}" there and set that variable, or chmod 600 %s',
            path,
            ", ".join(found),
            path,
        )


def _literal(name: str, written: object, masked: object) -> Iterator[str]:
    """Names of masked keys whose value stands in the file."""
    if masked == MASK:
        if not isinstance(written, str) or "${" not in written:
            yield name
    elif isinstance(masked, dict) and isinstance(written, dict):
        for key in written.keys() & masked.keys():
            inner = f"{name}.{key}" if name else str(key)
            yield from _literal(inner, written[key], masked[key])
    elif isinstance(masked, list) and isinstance(written, list):
        pairs = zip(written, masked, strict=False)
        if any(True for pair in pairs for _ in _literal(name, *pair)):
            yield name
