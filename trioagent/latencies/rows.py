"""Reports as JSON objects, one per line: for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trioagent.latencies.report import Report
    from trioagent.latencies.statistics import Comparison

Row = dict[str, Any]


def report_rows(report: Report) -> Iterator[Row]:
    """A row per metric and wait, one per turn worth a look, and one of totals."""
    file = report.file.name
    for metric, summary in {**report.metrics, **report.waits}.items():
        yield {"file": file, "metric": metric, **_rounded(attrs.asdict(summary))}
    for which, turn in report.named_turns:
        yield {
            "file": file,
            "which": which,
            "turn": turn.number,
            "time": turn.time,
            "speaker": turn.speaker,
            "outcome": turn.outcome,
            "total_ttfa_ms": turn.ttfa_ms,
            "ledger": dict(turn.ledger or {}),
        }
    yield {
        "file": file,
        "turns": len(report.file.turns),
        "outcomes": report.outcomes,
        "counts": report.counts,
        "queues": report.queues,
    }


def comparison_rows(a: str, b: str, found: Sequence[Comparison]) -> Iterator[Row]:
    """A row per metric; `a` and `b` are the names of the files."""
    for one in found:
        numbers = {
            "median_a": one.median_a,
            "median_b": one.median_b,
            "difference": one.difference,
            "low": one.low,
            "high": one.high,
        }
        row = {"compare": one.key, "a": a, "b": b, **_rounded(numbers)}
        yield {**row, "verdict": one.verdict}


def _rounded(row: Row) -> Row:
    """Microseconds are noise, and 1.5730000000000002 is hard to read."""
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()}
