"""Which faults there are, and the cells of the matrix."""

from __future__ import annotations

from typing import Literal, get_args

import attrs

Phase = Literal["idle", "user speaking", "thinking", "speaking"]
PHASES: tuple[Phase, ...] = get_args(Phase)

Target = Literal["llm", "asr", "room", "recognizer", "machine"]

TITLES: dict[Target, str] = {
    "llm": "Language model's server (HTTP)",
    "asr": "Recognizer's server (Wyoming)",
    "room": "Mumble server, and the way to it",
    "recognizer": "Recognizer's process (isolate = true)",
    "machine": "The machine",
}
NETWORK = ("refused", "reset", "black hole", "slow", "garbage", "half-close")
STATUSES = ("400", "401", "404", "429", "500", "503")
FAULTS: dict[Target, tuple[str, ...]] = {
    "llm": (*NETWORK, *STATUSES, "name gone", "killed", "stopped"),
    "asr": (*NETWORK, "killed", "stopped"),
    "room": (*NETWORK, "name gone", "killed", "stopped"),
    "recognizer": ("killed", "stopped"),
    "machine": ("disk full", "clock back", "clock forward"),
}


@attrs.frozen
class Cell:
    """One fault in one phase of a turn."""

    target: Target
    fault: str
    phase: Phase

    @property
    def name(self) -> str:
        """ "llm/reset/thinking"."""
        return f"{self.target}/{self.fault}/{self.phase}"


def all_cells() -> list[Cell]:
    """Every fault in every phase."""
    return [
        Cell(target, fault, phase)
        for target, faults in FAULTS.items()
        for fault in faults
        for phase in PHASES
    ]


def some_cells() -> list[Cell]:
    """Every fault once; the phases take turns."""
    faults = [(target, fault) for target in FAULTS for fault in FAULTS[target]]
    return [
        Cell(target, fault, PHASES[number % len(PHASES)])
        for number, (target, fault) in enumerate(faults)
    ]


@attrs.frozen
class Finding:
    """What one cell came to.

    Attributes:
        heard: What the user heard of the turn in which the fault came.
        back_s: From the end of the fault to the first sound of the next right answer.
        problems: Why the cell is red; empty if it is not.
    """

    cell: Cell
    heard: str
    back_s: float
    outcomes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
