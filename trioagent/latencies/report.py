"""What there is to show of a file or of two; terminal, page and rows show the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import attrs

from trioagent.latencies.definitions import COUNTS, METRICS, QUEUES, WAITS
from trioagent.latencies.reading import LatencyFile, Turn
from trioagent.latencies.statistics import (
    Comparison,
    Summary,
    compare,
    median_turn,
    summarize,
    worst_turns,
)


@attrs.frozen
class Report:
    """One file: a summary per metric and wait that has values, and what to look at."""

    file: LatencyFile
    metrics: Mapping[str, Summary]
    waits: Mapping[str, Summary]
    median: Turn | None
    """None, and no worst turns, where no turn has a ledger."""
    worst: tuple[Turn, ...]
    outcomes: Mapping[str, int]
    counts: Mapping[str, float]
    """Sums over all turns."""
    queues: Mapping[str, float] | None
    """The fullest that each queue was in a turn, and the sum of what was dropped."""

    @property
    def named_turns(self) -> list[tuple[str, Turn]]:
        """The turns whose ledgers are worth a look, and why."""
        median = [("median", self.median)] if self.median else []
        return [*median, *((_ordinal(i), t) for i, t in enumerate(self.worst))]


def report(file: LatencyFile) -> Report:
    """Reckon everything there is to say about a file."""
    return Report(
        file,
        metrics=_summaries(file, [m.key for m in METRICS]),
        waits=_summaries(file, [w.key for w in WAITS]),
        median=median_turn(file.turns),
        worst=tuple(worst_turns(file.turns)),
        outcomes=dict(Counter(t.outcome for t in file.turns).most_common()),
        counts={key: sum(t.counts[key] for t in file.turns) for key in COUNTS},
        queues=_queues(file),
    )


def comparisons(a: LatencyFile, b: LatencyFile) -> list[Comparison]:
    """`b` against `a`: each metric, then each wait, that both have."""
    keys = [m.key for m in (*METRICS, *WAITS)]
    found = (compare(key, a.values(key), b.values(key)) for key in keys)
    return [comparison for comparison in found if comparison is not None]


def _summaries(file: LatencyFile, keys: list[str]) -> dict[str, Summary]:
    found = {key: summarize(file.values(key)) for key in keys}
    return {key: summary for key, summary in found.items() if summary is not None}


def _queues(file: LatencyFile) -> dict[str, float] | None:
    known = [t.queues for t in file.turns if t.queues is not None]
    if not known:
        return None
    fullest = {key: max(q[key] for q in known) for key in QUEUES}
    return fullest | {"dropped": sum(q["dropped"] for q in known)}


def _ordinal(index: int) -> str:
    return "worst" if index == 0 else f"worst, no. {index + 1}"
