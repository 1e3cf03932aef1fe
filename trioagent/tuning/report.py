"""What a search came to, as one value for the terminal, the page and the file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from trioagent.tuning.choice import Candidate, Limits, best, front
from trioagent.tuning.ranges import Range, overrides
from trioagent.tuning.search import Found


@attrs.frozen
class Report:
    """A search over recordings."""

    folders: Sequence[Path]
    recordings: int
    ranges: Sequence[Range]
    limits: Limits
    found: Found
    recorded: Mapping[str, Any]
    """What most recordings had the keys set to."""
    alike: bool
    """Whether all recordings had."""

    @property
    def best(self) -> Candidate:
        """Within the limits, if any is."""
        return best(self.found.candidates, self.limits)

    @property
    def satisfied(self) -> bool:
        """Whether any setting is within the limits, and answered aloud."""
        return not self.limits.excess(self.best.effects) and bool(
            self.best.effects.ttfa
        )

    @property
    def unchanged(self) -> bool:
        """Whether nothing that was tried is better than what was recorded."""
        return self.satisfied and self.best is self.found.recorded

    @property
    def front(self) -> list[Candidate]:
        """What there is to choose between."""
        return front(self.found.candidates, self.limits)

    def name(self, candidate: Candidate) -> str:
        """A setting in a line."""
        if candidate is not self.found.recorded:
            return " ".join(overrides(candidate.setting))
        if not self.alike:
            return "as recorded"
        setting = tuple((one.key, self.recorded[one.key]) for one in self.ranges)
        return " ".join(["as recorded:", *overrides(setting)])

    def verdict(self) -> str:
        """The outcome in a sentence or two."""
        recorded, chosen = self.found.recorded, self.best
        limits = (
            f"{self.limits.cut_ins:g} cut-ins and {self.limits.underruns:g} underruns"
        )
        if not self.satisfied:
            nearest = chosen.effects
            return (
                f"No setting that was tried keeps within {limits}. Nearest: "
                f"{self.name(chosen)}, with {nearest.cut_ins} cut-ins, "
                f"{nearest.underruns} underruns and {nearest.missed} replies missing."
            )
        if self.unchanged:
            return (
                f"The recorded setting is the best already: median TTFA "
                f"{recorded.ttfa_ms:.1f} ms within {limits}."
            )
        return (
            f"Best: {self.name(chosen)}. Median TTFA {chosen.ttfa_ms:.1f} ms instead "
            f"of {recorded.ttfa_ms:.1f} ms, within {limits}."
        )

    def measured_on(self) -> str:
        """How much this rests on."""
        tried = len(self.found.tried)
        how = "all there are" if self.found.complete else "a sample and around the best"
        turns = _many(self.found.recorded.effects.turns, "turn")
        recordings = _many(self.recordings, "recording")
        return f"{turns} in {recordings}, {_many(tried, 'setting')} ({how})"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
