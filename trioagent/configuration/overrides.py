"""What goes on top of the configuration file: `--set` overrides and `${NAME}`."""

from __future__ import annotations

import re
import tomllib
from typing import TYPE_CHECKING, Any

from trioagent.configuration.problems import (
    SECRET_NAME,
    FromEnvironment,
    KeyPath,
    Problem,
    dotted,
    kind_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Table = dict[str, Any]

MOST_LEVELS = 32
"""Of tables and arrays in each other; Python's own limit is an error of Python's."""


_OF_ONE_AGENT = (
    "a key of one agent stands in its [[agents]] table of the file; --set sets what "
    "all share"
)


def is_too_deep(value: object) -> bool:
    """Whether tables and arrays are nested beyond `MOST_LEVELS`."""
    level = [value]
    for _ in range(MOST_LEVELS):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return bool(level)


def override(
    table: Table, overrides: Sequence[str], lines: list[str]
) -> dict[KeyPath, str]:
    """Write the overrides into `table`; return which of them set which key.

    Adds a line to `lines` for each one that cannot be read. Where a key or value has
    to do with secrets, messages show "***" for the value.
    """
    sources: dict[KeyPath, str] = {}
    for text in overrides:
        key, equals, value = text.partition("=")
        path = tuple(part.strip() for part in key.split("."))
        hidden = equals and SECRET_NAME.search(text)
        label = f"--set {key}=***" if hidden else f"--set {text}"
        if not equals or not all(re.fullmatch(r"[\w-]+", part) for part in path):
            lines.append(f"{label}: must look like section.key=value")
            continue
        if path[0] == "agents" and len(path) > 1:
            lines.append(f"{label}: {_OF_ONE_AGENT}")
            continue
        try:
            if len(path) > MOST_LEVELS or is_too_deep(read := _value(value)):
                raise ValueError(f"has more than {MOST_LEVELS} levels")  # noqa: TRY301 - said as the others
            _put(table, path, read)
        except (ValueError, RecursionError) as error:
            lines.append(f"{label}: {error}")
            continue
        sources.pop(path, None)  # the last one is the one that counts
        sources[path] = label
    return sources


def _value(text: str) -> object:
    """Read a TOML value; what is none, and does not begin like one, is a string."""
    text = text.strip()
    try:
        read = tomllib.loads(f"x = {text}")
    except tomllib.TOMLDecodeError as error:
        if text[:1] in {"[", "{", '"', "'"}:
            what, _, _ = str(error).partition(" (at ")
            raise ValueError(f"not a TOML value: {what}") from error
        return text
    return read["x"] if read.keys() == {"x"} else text


def _put(table: Table, path: tuple[str, ...], value: object) -> None:
    for depth, key in enumerate(path[:-1], start=1):
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            raise ValueError(f"{dotted(path[:depth])} is {kind_of(inner)}, no table")  # noqa: TRY004 - about the text
        table = inner
    table[path[-1]] = value


_REFERENCE = re.compile(r"\$\$\{|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|\$\{")


def expand(
    value: Any,  # noqa: ANN401 - any TOML value
    path: KeyPath,
    environ: Mapping[str, str],
    problems: list[Problem],
) -> Any:  # noqa: ANN401 - any TOML value
    """Put the environment's values in for `${NAME}`; `$${` stands for `${`."""
    if isinstance(value, dict):
        return {k: expand(v, (*path, k), environ, problems) for k, v in value.items()}
    if isinstance(value, list):
        return [expand(v, (*path, i), environ, problems) for i, v in enumerate(value)]
    if not isinstance(value, str) or "${" not in value:
        return value
    for match in _REFERENCE.finditer(value):
        name = match["name"]
        if match[0] == "${":
            text = "${ must be followed by a name and }; $${ stands for a plain ${"
            problems.append(Problem(path, text))
        elif name and name not in environ:
            text = f"the environment variable {name} is not set"
            problems.append(Problem(path, text))

    def put_in(match: re.Match[str]) -> str:
        return environ.get(match["name"], "") if match["name"] else "${"

    return FromEnvironment(_REFERENCE.sub(put_in, value), value)
