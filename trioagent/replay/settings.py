"""The configuration that a recording is run with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from trioagent.config import Config
from trioagent.configuration.overrides import override
from trioagent.configuration.structuring import structure_options
from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from trioagent.recording.recording import Recording

SECTIONS = ("agent", "access", "vad", "turn", "chunker", "playback", "barge_in")
"""What decides how the agent behaves. The other sections are the parts' own, which the
recording stands in for."""


def recorded_config(recording: Recording, overrides: Sequence[str] = ()) -> Config:
    """The configuration of the recorded agent, with `overrides` ("turn.hold_ms=200").

    Raises:
        ConfigError: a key is unknown (now), has a wrong value, or belongs to a part
            that is not run: the error names it.
    """
    return _config(recording.header.config, overrides, f"{recording.path}: ")


def check_overrides(overrides: Sequence[str]) -> None:
    """See whether any recording could be run with them.

    Raises:
        ConfigError: as `recorded_config` does for what is wrong with `overrides`.
    """
    _config({}, overrides, "")


def _config(
    recorded: Mapping[str, Any], overrides: Sequence[str], where: str
) -> Config:
    tables = {name: _table(recorded, name, where) for name in SECTIONS}
    wanted: dict[str, Any] = {}
    lines: list[str] = []
    override(wanted, overrides, lines)
    lines += [_refusal(name) for name in wanted if name not in SECTIONS]
    lines += [
        f"--set {name}=…: [{name}] is a section: set one of its keys"
        for name, table in wanted.items()
        if name in SECTIONS and not isinstance(table, dict)
    ]
    if lines:
        raise ConfigError("\n".join(lines))
    sections = {}
    for name in SECTIONS:
        schema = _schema(name)
        known = attrs.fields_dict(schema)
        # A detector's own table says nothing here: its answers are recorded.
        table = {
            key: value
            for key, value in tables[name].items()
            if key in known or not isinstance(value, dict)
        }
        sections[name] = structure_options(
            schema,
            {**table, **wanted.get(name, {})},
            f"{where}{name}" if table else name,
        )
    return attrs.evolve(Config(), **sections)


def _table(recorded: Mapping[str, Any], name: str, where: str) -> dict[str, Any]:
    """A section as the recorded agent had it."""
    table = recorded.get(name, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{where}{name} must be a table, is {table!r}")
    return {key: _unescaped(value) for key, value in table.items()}


def _unescaped(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """In a configuration's file, `$${` stands for `${`."""
    if isinstance(value, list):
        return [_unescaped(item) for item in value]
    return value.replace("$${", "${") if isinstance(value, str) else value


def _schema(section: str) -> type[Any]:
    fields: Any = attrs.fields_dict(attrs.resolve_types(Config))
    schema: type[Any] = fields[section].type
    return schema


def _refusal(section: str) -> str:
    sections = ", ".join(f"[{name}]" for name in SECTIONS)
    if section in attrs.fields_dict(Config):
        return (
            f"--set {section}.…: what [{section}] decides is in the recording; it can "
            f"be changed live only (--live), or in {sections}"
        )
    return f"--set {section}.…: there is no [{section}]; there are {sections}"
