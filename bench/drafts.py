"""What drafts on hypotheses gain, and what they cost.

    python -m bench.drafts [--turns 12] [--json]

The scripted work of `bench.ttfa` with drafts as eager as each pair of
`prefix_min_chars` and `max_drafts` allows, all pairs at once in one process. The
hypotheses have all the words 150 to 350 ms before the speech ends. Whatever was drafted
before, a reply must only be heard if it was made from the final words: the bench counts
those that were not.
"""

from __future__ import annotations

import argparse
import os
from typing import TYPE_CHECKING

import trio

from bench import ttfa
from bench.agents import conditions
from bench.printing import report

if TYPE_CHECKING:
    from bench.agents import Row

MIN_CHARS = (1, 10, 20, 40, 80)
MAX_DRAFTS = (2, 4, 100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    report(trio.run(_measure, args.turns), conditions(load), as_json=args.json)


async def _measure(turns: int) -> list[Row]:
    rows: dict[tuple[int, int], Row] = {}

    async def one(chars: int, drafts: int) -> None:
        keys = {"prefix_min_chars": chars, "max_drafts": drafts}
        measured = await ttfa.measure("prefix", turns, **keys)
        rows[drafts, chars] = {**keys, **measured}

    async with trio.open_nursery() as nursery:
        for drafts in MAX_DRAFTS:
            for chars in MIN_CHARS:
                nursery.start_soon(one, chars, drafts)
    return [rows[key] for key in sorted(rows)]


if __name__ == "__main__":
    main()
