"""What `trioagent doctor` has found: one value for a line, or a row of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import attrs

from trioagent.visible import visible

Level = Literal["ok", "note", "warning", "fail"]
MARKS: Mapping[Level, str] = {
    "ok": "ok  ",
    "note": "note",
    "warning": "WARN",
    "fail": "FAIL",
}


@attrs.frozen
class Finding:
    """One thing that was found; `hint` says what to do about it.

    Attributes:
        level: "ok" was tried and can be used, "note" is only said, "warning" works but
            not well, "fail" cannot be used.
        numbers: What was measured or estimated, with units in the names, for programs.
    """

    part: str
    level: Level
    detail: str
    hint: str = ""
    numbers: Mapping[str, Any] = attrs.Factory(dict)

    def of(self, agent: str) -> Finding:
        """The same, of this agent; an empty name changes nothing."""
        detail = f"{agent}: {self.detail}" if agent else self.detail
        return attrs.evolve(self, detail=detail)

    @property
    def ok(self) -> bool:
        """Whether it can be used, well or not."""
        return self.level != "fail"

    @property
    def row(self) -> dict[str, Any]:
        """For JSON."""
        return {**attrs.asdict(self), "ok": self.ok}

    @property
    def text(self) -> str:
        """For people: a line, and the hint under it."""
        lines = [f"{MARKS[self.level]} {self.part}: {self.detail}"]
        lines += [f"       {line}" for line in self.hint.splitlines()]
        # Models' names and errors are what servers say.
        return visible("\n".join(lines))
