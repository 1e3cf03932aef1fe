"""A report as rows, for `--json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trioagent.tuning.choice import Candidate
    from trioagent.tuning.report import Report

Row = dict[str, Any]


def rows(report: Report) -> Iterator[Row]:
    """Each setting that was tried, the recorded one first, and then the verdict."""
    on_front = report.front
    for candidate in report.found.candidates:
        yield {
            "what": "recorded" if candidate is report.found.recorded else "tried",
            **_row(candidate),
            "within_limits": not report.limits.excess(candidate.effects),
            "front": any(candidate is other for other in on_front),
        }
    yield {
        "what": "verdict",
        "satisfied": report.satisfied,
        "unchanged": report.unchanged,
        **_row(report.best),
        "recordings": report.recordings,
        "complete": report.found.complete,
        "text": report.verdict(),
    }


def _row(candidate: Candidate) -> Row:
    return {
        "setting": dict(candidate.setting),
        **attrs.asdict(candidate.effects),
    }
