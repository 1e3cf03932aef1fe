"""Who is in a process: its agents by name, and who is told of what they do."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import attrs

from trioagent.config import Config
from trioagent.errors import TrioagentError, own_errors
from trioagent.recording.files import safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trioagent.agent import Agent
    from trioagent.journal.events import Observer


@attrs.frozen(eq=False)
class Member:
    """One of a process's agents.

    Attributes:
        name: What tells it from the others: its user name, with the server where that
            is not enough; empty if it is alone.
    """

    name: str
    config: Config


class Audience(Protocol):
    """Whoever wants to know of the agents; each call is made at once, and returns."""

    def observers(self, member: Member) -> Sequence[Observer]:
        """Those of this one's turns."""
        ...

    def ready(self, member: Member, agent: Agent) -> None:
        """It is in its room and begins to listen."""
        ...

    def failed(self, member: Member, reason: str) -> None:
        """It listened, and has ended; the others go on."""
        ...


def members_of(configs: Sequence[Config]) -> tuple[Member, ...]:
    """The agents by name; those that record into the same folder get one each in it."""
    if len(configs) == 1:
        return (Member("", configs[0]),)
    names = names_of(configs)
    shared = Counter(config.recording.folder for config in configs)
    made: list[Member] = []
    taken: set[Path] = set()
    for name, config in zip(names, configs, strict=True):
        folder = config.recording.folder
        if folder and shared[folder] > 1:
            own = _free(Path(folder) / safe_name(name), taken)
            recording = attrs.evolve(config.recording, folder=str(own))
            config = attrs.evolve(config, recording=recording)  # noqa: PLW2901 - its
        made.append(Member(name, config))
    return tuple(made)


def names_of(configs: Sequence[Config]) -> list[str]:
    """A name for each that no other has."""
    users = Counter(config.mumble.user for config in configs)
    return [
        m.user if users[m.user] == 1 else f"{m.user}@{m.server}:{m.port}"
        for m in (config.mumble for config in configs)
    ]


@contextmanager
def naming(member: Member) -> Iterator[None]:
    """Let errors of ours that leave the block begin with the agent's name."""
    try:
        yield
    except Exception as error:
        if member.name:
            _name(error, member.name)
        raise


def _name(error: Exception, name: str) -> None:
    try:
        errors = own_errors(error)
    except Exception:  # noqa: BLE001 - a bug of ours: its traceback says where
        return
    for own in errors:
        if isinstance(own, TrioagentError):
            own.message = f"{name}: {own.message}"


def _free(path: Path, taken: set[Path]) -> Path:
    """`path`, or with a number; what a file system takes may be alike for two names."""
    found, number = path, 1
    while found in taken:
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    taken.add(found)
    return found
