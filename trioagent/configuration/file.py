"""Reading the configuration: TOML, `--set` overrides, `${NAME}`, then the schema.

All that is wrong is reported at once, one line each, with the file or the override
that holds it. The schema is `trioagent.config`.
"""

from __future__ import annotations

import copy
import os
import re
import tomllib
from typing import TYPE_CHECKING

import attrs

from trioagent.config import Config
from trioagent.configuration.agents import (
    AGENTS,
    check_together,
    merged,
    stands_in,
    take_entries,
)
from trioagent.configuration.exposure import warn_of_readable_secrets
from trioagent.configuration.overrides import (
    MOST_LEVELS,
    Table,
    expand,
    is_too_deep,
    override,
)
from trioagent.configuration.problems import (
    SECRET_NAME,
    KeyPath,
    Problem,
    dotted,
)
from trioagent.configuration.provider_tables import gather_options
from trioagent.configuration.render import config_tables, render_config
from trioagent.configuration.structuring import structure, structure_options
from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

__all__ = [
    "load_agents",
    "load_config",
    "load_file",
    "render_config",
    "structure_options",
]


def load_config(
    path: Path | None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read the configuration; where there are several agents, what all share.

    Args:
        path: The TOML file; None means that every key has its default.
        overrides: Texts such as "turn.hold_ms=200"; they win over the file.
        environ: Where `${NAME}` in strings is looked up.

    Raises:
        ConfigError: the file cannot be read, or a line for each thing wrong in it.
    """
    return load_file(path, overrides, environ).common


def load_agents(
    path: Path | None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> tuple[Config, ...]:
    """Read the configuration of each agent; without `[[agents]]` there is one.

    Overrides go to what all share: what an agent's own table says wins over them.

    Raises:
        ConfigError: as `load_config`, or two agents are in each other's way.
    """
    return load_file(path, overrides, environ).agents


@attrs.frozen
class Loaded:
    """What all agents share, and each with its own table over that."""

    common: Config
    agents: tuple[Config, ...]


def load_file(
    path: Path | None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """Read all of the configuration; see `load_config` and `load_agents`."""
    table = {} if path is None else _read(path)
    written = copy.deepcopy(table)
    lines: list[str] = []
    sources = override(table, overrides, lines)
    problems: list[Problem] = []
    table = expand(table, (), environ, problems)
    entries = take_entries(table, problems)
    common = _structured(table, problems)
    agents = [
        _agent(table, own, problems, (AGENTS, number))
        for number, own in enumerate(entries)
    ]
    said: set[KeyPath] = set()
    for problem in problems:
        if problem.path not in said:
            lines.append(_line(problem, "" if path is None else str(path), sources))
        said.add(problem.path)
    made = [config for config in agents if config is not None]
    if lines or common is None or len(made) < len(agents):
        raise ConfigError("\n".join(lines))
    check_together(made)
    if path is not None:
        masked = config_tables(common)
        if made:
            masked[AGENTS] = [config_tables(config) for config in made]
        warn_of_readable_secrets(path, written, masked)
    return Loaded(common, tuple(made) or (common,))


def _structured(table: Table, problems: list[Problem]) -> Config | None:
    table = dict(table)
    gather_options(table, problems)
    return structure(Config, table, problems)


def _agent(
    common: Table, own: Table, problems: list[Problem], path: KeyPath
) -> Config | None:
    """The configuration of one agent. What is wrong in `common` is said already."""
    said_already = {problem.path for problem in problems}
    found: list[Problem] = []
    config = _structured(merged(common, own), found)
    problems += [
        Problem((*path, *problem.path), problem.text)
        for problem in found
        if stands_in(own, problem.path) or problem.path not in said_already
    ]
    return config


# --- the file --------------------------------------------------------------------


def _read(path: Path) -> Table:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path}: no such configuration file",
            hint="Name another with `trioagent --config PATH`, or start from the "
            "config.toml of the trioagent repository.",
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path}: cannot be read: {error.strerror}",
            hint="Name a readable TOML file with `trioagent --config PATH`.",
        ) from error
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path}: line {line}: not UTF-8 text (byte 0x{data[error.start]:02x})",
            hint="Save the file as UTF-8.",
        ) from error
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(_broken_toml(path, text, str(error))) from error
    if is_too_deep(table):
        raise ConfigError(f"{path}: has more than {MOST_LEVELS} levels of tables")
    return table


def _broken_toml(path: Path, text: str, message: str) -> str:
    lines = text.split("\n")
    what, _, _ = message.partition(" (at ")
    if place := re.search(r"\(at line (\d+), column (\d+)\)", message):
        line, column = int(place[1]), int(place[2])
    elif message.endswith("(at end of document)"):
        line, column = len(lines), len(lines[-1]) + 1
    else:
        return f"{path}: {what}"
    culprit = lines[line - 1].strip()
    assignment = next((text for text in lines[line - 1 :: -1] if "=" in text), "")
    if SECRET_NAME.search(assignment.partition("=")[0]):
        culprit = f"{culprit.partition('=')[0]}= ***" if "=" in culprit else "***"
    return f"{path}: line {line}, column {column}: {what}\n    {culprit}"


# --- messages --------------------------------------------------------------------


def _line(problem: Problem, file: str, sources: Mapping[KeyPath, str]) -> str:
    path = problem.path
    place, named = file, False
    for typed, label in sources.items():
        shared = min(len(typed), len(path))
        if shared and typed[:shared] == path[:shared]:
            place, named = label, typed == path
    parts = [place, "" if named else dotted(path), problem.text]
    return ": ".join(part for part in parts if part)
