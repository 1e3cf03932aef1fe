"""`trioagent status`: ask the running agent how it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from trioagent.cli.arguments import config_of
from trioagent.errors import ConfigError
from trioagent.supervision.local_socket import ask, socket_path
from trioagent.supervision.show import lines_of
from trioagent.visible import visible

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def run(given: argparse.Namespace) -> int:
    """Print what the agent answers; 0 if it is well, else 1."""
    told = ask(_path(given))
    if given.json:
        print(json.dumps(told))  # noqa: T201 - --json
    else:
        print(visible("\n".join(lines_of(told))))  # noqa: T201 - the answer
    return 0 if told.get("healthy") is True else 1


def _path(given: argparse.Namespace) -> Path:
    # Without reading the configuration: it may name variables that only the agent has.
    path = socket_path(given.socket or config_of(given).status.socket)
    if path is None:
        raise ConfigError(
            'the agent tells nobody how it is: [status] socket = "off"',
            hint="set another value, or remove the key",
        )
    return path
