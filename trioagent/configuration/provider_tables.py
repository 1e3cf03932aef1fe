"""Providers' tables, `[asr.sherpa]`: put where the schema keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs

from trioagent.config import Config
from trioagent.configuration.problems import Problem, near_or_all, shown
from trioagent.registry import Kind, provider_names

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from trioagent.configuration.overrides import Table


def gather_options(table: Table, problems: list[Problem]) -> None:
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
