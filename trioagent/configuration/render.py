"""The configuration in effect as TOML, fit to be shown: secrets are masked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import attrs
import tomli_w

from trioagent.configuration.problems import SECRET_NAME, is_secret
from trioagent.errors import ConfigError
from trioagent.registry import Kind, provider

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.config import Config

MASK = "***"


def render_config(config: Config) -> str:
    """Write `config` as TOML that `load_config` reads; secrets are "***".

    In a provider's table its options class says which keys are secret; a key that the
    class does not know, or whose provider cannot be imported, is judged by its name.
    """
    return tomli_w.dumps(config_tables(config))


def render_agents(common: Config, agents: Sequence[Config]) -> str:
    """As `render_config`; of several agents, with what each has of its own."""
    tables = config_tables(common)
    own = [_own(config_tables(agent), tables) for agent in agents]
    if len(agents) > 1 or any(own):
        tables["agents"] = own
    return tomli_w.dumps(tables)


def _own(table: dict[str, Any], common: dict[str, Any]) -> dict[str, Any]:
    """What of `table` is not so in `common`."""
    own: dict[str, Any] = {}
    for key, value in table.items():
        known = common.get(key)
        if value == known:
            continue
        tables = isinstance(value, dict) and isinstance(known, dict)
        own[key] = _own(value, known or {}) if tables else value
    return own


def config_tables(config: Config) -> dict[str, Any]:
    """`config` as the tables of such a TOML file."""
    return {
        field.name: _section(field.name, getattr(config, field.name))
        for field in attrs.fields(type(config))
    }


def _section(name: str, section: attrs.AttrsInstance) -> dict[str, Any]:
    table: dict[str, Any] = {}
    for field in attrs.fields(type(section)):
        value = getattr(section, field.name)
        if field.name == "options":
            table |= {key: _options(name, key, inner) for key, inner in value.items()}
        elif value is not None:  # TOML has no null
            table[field.name] = _masked(value) if is_secret(field) else _plain(value)
    return table


def _options(kind: str, name: str, table: dict[str, Any]) -> dict[str, Any]:
    try:
        known = attrs.fields_dict(provider(cast("Kind", kind), name).options)
    except ConfigError:
        known = {}
    shown = {}
    for key, value in table.items():
        secret = is_secret(known[key]) if key in known else SECRET_NAME.search(key)
        shown[key] = _masked(value) if secret else _plain(value)
    return shown


def _masked(value: object) -> Any:  # noqa: ANN401 - any TOML value
    """Hide everything but the shape; what is empty hides nothing."""
    if isinstance(value, dict):
        return {key: _masked(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_masked(inner) for inner in value]
    return value if isinstance(value, bool) or value == "" else MASK


def _plain(value: object) -> Any:  # noqa: ANN401 - any TOML value
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, dict):
        return {
            key: _masked(inner) if SECRET_NAME.search(key) else _plain(inner)
            for key, inner in value.items()
        }
    return value
