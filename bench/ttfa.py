"""Time to first audio on the scripted work; its overhead beside the floor's.

    python -m bench.ttfa [--turns 50] [--json]

`ttfa` is from the last speech sample handed over to the first frame at the sink; the
overhead is that less the critical path of the work itself (`bench.work`). Each way to
start early is a conversation of its own, in process and through a real murmurd, where
the sink is a client that listens; `bench.floor` is the same work by hand. The seven
conversations run at once. `user_late_ms` is how late the user's own frames were in that
time, at most: what holds all up holds the reply up, too. With drafts on hypotheses
("prefix"), those have all the words 150 to 350 ms before the speech ends.
"""

from __future__ import annotations

import argparse
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import trio

from bench import floor, over_mumble, scripted, work
from bench.agents import Row, conditions
from bench.hold_ups import hold_ups
from bench.printing import percentiles, report
from trioagent.decisions.text import same_words
from trioagent.journal.latency import counts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trioagent.journal.events import Event, TurnJournal

SETTLE_S = 0.4
"""After a reply's last frame."""
KNOWN_EARLY_S = 0.15
PATHS_S = {
    "off": work.CRITICAL_PATH_S,
    "pause": work.EARLY_PATH_S,
    "prefix": work.HOLD_S,
}


async def measure(
    early_start: str, turns: int, *, mumble: bool = False, **turn: float
) -> Row:
    """A conversation of so many turns; its times to first audio."""
    costs = {"drafts": 0, "tokens_discarded": 0, "underruns": 0, "wrong_words": 0}

    def observe(journal: TurnJournal, event: Event) -> None:
        if event.name == "outcome":
            counted = counts(journal.events)
            counted["wrong_words"] = made_from_other_words(journal.events)
            for key in costs:
                costs[key] += counted[key]

    ttfas, late = [], []
    async with AsyncExitStack() as stack:
        make = await over_mumble.meeting(stack, mumble=mumble)
        talk = make(
            scripted.config(early_start, **turn),
            known_early_s=KNOWN_EARLY_S if early_start == "prefix" else None,
            observers=[observe],
        )
        await stack.enter_async_context(talk.running())
        for _ in range(turns):
            await trio.sleep(work.SILENCE_S)
            number = await talk.say()
            frames = await talk.sink.spurt()
            await trio.sleep(SETTLE_S)
            spoke_until, began = talk.spoke_until[number], frames[0].time
            ttfas.append((began - spoke_until) * 1000)
            late.append(talk.late_s(spoke_until, began) * 1000)
    return {
        "early_start": early_start,
        "heard": "by a client of murmurd" if mumble else "in process",
        **row(ttfas, PATHS_S[early_start]),
        "user_late_ms": percentiles(late),
        "drafts_per_turn": round(costs["drafts"] / turns, 2),
        "tokens_discarded_per_turn": round(costs["tokens_discarded"] / turns, 1),
        "underruns": costs["underruns"],
        "made_from_other_words": costs["wrong_words"],
    }


async def measure_all(turns: int) -> list[Row]:
    """The floor, each way to start early in process and through murmurd, at once."""
    ways = [(name, mumble) for mumble in (False, True) for name in PATHS_S]
    rows: dict[tuple[str, bool], Row] = {}

    async def one(early_start: str, mumble: bool) -> None:  # noqa: FBT001 - a task's
        rows[early_start, mumble] = await measure(early_start, turns, mumble=mumble)

    async with trio.open_nursery() as nursery:
        for way in ways:
            nursery.start_soon(one, *way)
        by_hand = await measure_floor(turns)
    return [by_hand, *(rows[way] for way in ways)]


def made_from_other_words(events: Sequence[Event]) -> bool:
    """Whether a reply sounded that was not made from the final words."""
    made_from = {
        event.data["draft"]: event.data["text"]
        for event in events
        if event.name == "draft_started"
    }
    final = [event.data["text"] for event in events if event.name == "final"]
    return any(
        not same_words(made_from[event.data["draft"]], final[-1])
        for event in events
        if event.name == "first_frame"
    )


def row(ttfas: list[float], path_s: float) -> Row:
    """Both as percentiles."""
    return {
        "ttfa_ms": percentiles(ttfas),
        "path_ms": round(path_s * 1000),
        "overhead_ms": percentiles([ttfa - path_s * 1000 for ttfa in ttfas]),
    }


async def measure_floor(turns: int) -> Row:
    """The same by hand, which starts the language model after the hold."""
    ttfas = await floor.conversation(turns)
    return {"early_start": "by hand, off", **row(ttfas, work.CRITICAL_PATH_S)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with hold_ups() as held_up:
        rows = trio.run(measure_all, args.turns)
    report(rows, {**conditions(load), **held_up.row()}, as_json=args.json)


if __name__ == "__main__":
    main()
