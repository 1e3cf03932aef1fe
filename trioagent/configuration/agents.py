"""Several agents in one file: each `[[agents]]` table goes over what all share.

Tables are merged key by key; any other value takes the place of the common one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trioagent.configuration.problems import KeyPath, Problem, kind_of
from trioagent.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trioagent.config import Config
    from trioagent.configuration.overrides import Table

AGENTS = "agents"

OF_THE_PROCESS: tuple[KeyPath, ...] = (("status",), ("journal", "log_format"))
"""Keys that cannot differ from agent to agent."""


def take_entries(table: Table, problems: list[Problem]) -> list[Table]:
    """Take the `[[agents]]` tables out of `table`; what is none is a problem."""
    found = table.pop(AGENTS, [])
    if not isinstance(found, list):
        text = f"must be tables, [[{AGENTS}]], is {kind_of(found)}"
        problems.append(Problem((AGENTS,), text))
        return []
    entries = []
    for number, entry in enumerate(found):
        if isinstance(entry, dict):
            _refuse_what_all_share(entry, (AGENTS, number), problems)
            entries.append(entry)
        else:
            text = f"must be a table, is {kind_of(entry)}"
            problems.append(Problem((AGENTS, number), text))
    return entries


def merged(common: Table, own: Table) -> Table:
    """`own` over `common`; both stay as they are."""
    both = dict(common)
    for key, value in own.items():
        beneath = both.get(key)
        if isinstance(value, dict) and isinstance(beneath, dict):
            both[key] = merged(beneath, value)
        else:
            both[key] = value
    return both


def stands_in(table: object, path: KeyPath) -> bool:
    """Whether what `path` names, or a part of it, stands in `table`."""
    for key in path:
        if not isinstance(table, dict):
            return True
        if key not in table:
            return False
        table = table[key]
    return True


def check_together(configs: Sequence[Config]) -> None:
    """Look whether these agents can be in one process.

    Raises:
        ConfigError: two are in each other's way; says which.
    """
    for other, config in enumerate(configs):
        for number, before in enumerate(configs[:other]):
            for text in _conflicts(before, config):
                both = f"{AGENTS}[{number}] and {AGENTS}[{other}]"
                raise ConfigError(f"{both} {text}")


def _refuse_what_all_share(
    entry: Table, path: KeyPath, problems: list[Problem]
) -> None:
    for key in OF_THE_PROCESS:
        inner: Any = entry
        for part in key:
            inner = inner.get(part) if isinstance(inner, dict) else None
        if inner is not None:
            where = f"[{key[0]}]"
            text = f"is the same for all agents: it stands in {where} of the file"
            problems.append(Problem((*path, *key), text))


def _conflicts(one: Config, two: Config) -> Iterator[str]:
    mine, theirs = one.mumble, two.mumble
    if (mine.server.lower(), mine.port) == (theirs.server.lower(), theirs.port):
        where = f"{mine.server}:{mine.port}"
        if mine.user == theirs.user:
            yield (
                f'have the same name on the same server: mumble.user = "{mine.user}"'
                f" on {where}"
            )
        if mine.server == "embedded" and mine.password != theirs.password:
            yield f"have different passwords of the same embedded server, {where}"
    kept, others = one.journal, two.journal
    limits = (kept.max_mb, kept.max_age_days) != (others.max_mb, others.max_age_days)
    if kept.latency_file and kept.latency_file == others.latency_file and limits:
        yield (
            "have different journal.max_mb or max_age_days of the same "
            f"journal.latency_file, {kept.latency_file}"
        )
