"""How many threads each model that computes on the CPU should have. Decides only.

The rule: one core is left for the event loop, the room and the detector, those that are
busy with other work are left to it, and the rest is shared. The recognizer and the
synthesizer work at the same time whenever somebody interrupts, so that together they
get no more than the rest.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from trioagent.fitting.findings import Finding, Level

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PART = "CPU threads"
MOST = 4
"""Our own limit: models this small gain little from more threads."""


@attrs.frozen
class Cores:
    """The cores that this process may use.

    `busy` is how many of them other work took in the last minute (the load average);
    `beside` how many a model server on this machine will want.
    """

    count: int
    busy: float = 0.0
    beside: int = 0

    @property
    def spare(self) -> int:
        """For models; at least one, since they have to run somewhere."""
        return max(1, self.count - 1 - round(min(self.busy, self.count)) - self.beside)


@attrs.frozen
class ThreadUser:
    """A model that computes on the CPU: its `threads` key, and what is configured."""

    part: str
    key: str
    configured: int


def recommend(users: Sequence[ThreadUser], cores: Cores) -> dict[str, int]:
    """Threads for each key. Of several, the last (the synthesizer) gets the larger."""
    left, threads = cores.spare, {}
    for position, user in enumerate(users):
        share = max(1, left // (len(users) - position))
        threads[user.key] = min(MOST, share)
        left = max(0, left - share)
    return threads


def threads_finding(
    users: Sequence[ThreadUser], cores: Cores, quick_enough: Mapping[str, bool]
) -> Finding:
    """What to set; `quick_enough` says of a part whether it was measured to keep up.

    Too many threads are always worth changing, more only where it was too slow.
    """
    advised = recommend(users, cores)
    detail = _described(cores)
    numbers = {
        **attrs.asdict(cores),
        "spare": cores.spare,
        "configured": {u.key: u.configured for u in users},
        "recommended": advised,
    }
    if not users:
        return Finding(PART, "note", f"{detail}; no model takes threads", "", numbers)
    changes = [
        f"{user.key} = {advised[user.key]}"
        for user in users
        if user.configured > advised[user.key]
        or (user.configured < advised[user.key] and not quick_enough.get(user.part))
    ]
    together = sum(user.configured for user in users)
    level: Level = "warning" if together > cores.count else "note"
    shown = ", ".join(f"{user.key} = {user.configured}" for user in users)
    hint = f"for this machine: {', '.join(changes)}" if changes else ""
    return Finding(PART, level, f"{detail}; {shown}", hint, numbers)


def _described(cores: Cores) -> str:
    told = [f"{cores.count} core{'s' if cores.count > 1 else ''}"]
    if cores.busy:
        told.append(f"{cores.busy:.1f} busy with other work")
    if cores.beside:
        told.append(f"{cores.beside} left to the model server on this machine")
    return f"{', '.join(told)}, {cores.spare} for models"


# --- reading the machine -----------------------------------------------------------


def quota(cpu_max: str) -> float | None:
    """The cores that a control group allows, from its `cpu.max`: "200000 100000"."""
    allowed, _, period = cpu_max.strip().partition(" ")
    if not allowed.isdecimal() or not period.isdecimal() or not int(period):
        return None
    return int(allowed) / int(period)


def usable_cores(affinity: int, allowed: float | None) -> int:
    """Whole cores: of a quota of 1.5, one is always there."""
    return affinity if allowed is None else max(1, min(affinity, int(allowed)))
