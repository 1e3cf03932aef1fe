"""Reading the configuration: TOML, `--set` overrides, `${NAME}`, then the schema.

All that is wrong is reported at once, one line each, with the file or the override
that holds it. The schema is `trioagent.config`.
"""

from __future__ import annotations

import os
import re
import tomllib
from typing import TYPE_CHECKING, Any, cast

import attrs

from trioagent.config import Config
from trioagent.configuration.overrides import Table, expand, override
from trioagent.configuration.problems import (
    SECRET_NAME,
    KeyPath,
    Problem,
    dotted,
    near_or_all,
    shown,
)
from trioagent.configuration.render import render_config
from trioagent.configuration.structuring import structure, structure_options
from trioagent.errors import ConfigError
from trioagent.registry import Kind, provider_names

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from pathlib import Path

__all__ = ["load_config", "render_config", "structure_options"]


def load_config(
    path: Path | None,
    overrides: Sequence[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> Config:
    """Read the configuration.

    Args:
        path: The TOML file; None means that every key has its default.
        overrides: Texts such as "turn.hold_ms=200"; they win over the file.
        environ: Where `${NAME}` in strings is looked up.

    Raises:
        ConfigError: the file cannot be read, or a line for each thing wrong in it.
    """
    table = {} if path is None else _read(path)
    lines: list[str] = []
    sources = override(table, overrides, lines)
    problems: list[Problem] = []
    table = expand(table, (), environ, problems)
    _gather_options(table, problems)
    config = structure(Config, table, problems)
    said: set[KeyPath] = set()
    for problem in problems:
        if problem.path not in said:
            lines.append(_line(problem, "" if path is None else str(path), sources))
        said.add(problem.path)
    if lines or config is None:
        raise ConfigError("\n".join(lines))
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
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(_broken_toml(path, text, str(error))) from error


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


# --- providers' tables -----------------------------------------------------------


def _gather_options(table: Table, problems: list[Problem]) -> None:
    """Move each provider's table to where the schema keeps it: `options`."""
    for section in attrs.fields(attrs.resolve_types(Config)):
        schema: Any = section.type
        keys = {field.name for field in attrs.fields(schema)}
        found = table.get(section.name)
        if "options" in keys and isinstance(found, dict):
            kind = cast("Kind", section.name)
            table[kind] = _with_options(kind, found, keys, problems)


def _with_options(
    kind: Kind, section: Table, keys: Collection[str], problems: list[Problem]
) -> Table:
    names = provider_names(kind)
    own: Table = {}
    options: Table = {}
    for key, value in section.items():
        if key in keys and key != "options":
            own[key] = value
        elif key in names and isinstance(value, dict):
            options[key] = value
        elif text := _refusal(kind, key, value, names):
            problems.append(Problem((kind, key), text))
        else:
            own[key] = value  # unknown too, and refused with the rest
    return {**own, "options": options}


def _refusal(kind: Kind, key: str, value: object, names: Sequence[str]) -> str:
    if key == "options":
        return f"is no key: a provider's keys stand in [{kind}.<provider>]"
    if key in names:
        return f"must be a table, [{kind}.{key}], is {shown(value)}"
    if isinstance(value, dict):
        return f"no {kind} provider has this name{near_or_all(key, names)}"
    return ""


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
