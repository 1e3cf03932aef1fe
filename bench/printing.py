"""How the benches print: rows for people, or one JSON object per line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Row = dict[str, Any]


def percentiles(values: Sequence[float]) -> Row:
    """How many, the median, the 95th and 99th percentile and the largest."""
    if not values:
        return {"count": 0}
    p50, p95, p99, worst = np.percentile(values, [50, 95, 99, 100]).round(2).tolist()
    return {"count": len(values), "p50": p50, "p95": p95, "p99": p99, "max": worst}


def report(rows: Sequence[Row], conditions: Row, *, as_json: bool) -> None:
    """Print the rows, and then where they were measured."""
    for row in (*rows, conditions):
        print(json.dumps(row, ensure_ascii=False) if as_json else _for_people(row))


def _for_people(row: Row) -> str:
    return "\n".join(f"{key:>28}  {_shown(value)}" for key, value in row.items()) + "\n"


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return "  ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    return str(value)
