"""Interruptions on the scripted work, in process and through a real murmurd.

    python -m bench.barge_in_scripted [--turns 50] [--json]

The user begins to speak 0.5 s into a reply of two seconds. From the first frame of that
speech: until the reply is ducked, until its last frame, until the interruption is
confirmed; and from there to the last frame: nought or less, for a ducked reply is
silent already. A duck has to wait for nothing but the detector and the tick of the
frame that fades out. Through murmurd the user sends the frame, the last frame is when
the reply's last packet has come to the user, and the other times are the agent's; both
conversations run at once.
"""

from __future__ import annotations

import argparse
import os
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import attrs
import trio

from bench import over_mumble, scripted, work
from bench.agents import Row, conditions
from bench.hold_ups import hold_ups
from bench.printing import percentiles, report

if TYPE_CHECKING:
    from trioagent.journal.events import Event, TurnJournal

INTO_REPLY_S = 0.5


@attrs.define(eq=False)
class Times:
    """When what happened, by the events' names."""

    at: dict[str, list[float]] = attrs.Factory(dict)

    def observe(self, journal: TurnJournal, event: Event) -> None:
        """Note it."""
        self.at.setdefault(event.name, []).append(journal.started + event.t)


async def measure(turns: int, *, mumble: bool = False) -> Row:
    """So many interruptions, one reply after another."""
    times = Times()
    rows: list[tuple[float, float, float, float]] = []
    async with AsyncExitStack() as stack:
        make = await over_mumble.meeting(stack, mumble=mumble)
        talk = make(scripted.config("pause"), observers=[times.observe])
        await stack.enter_async_context(talk.running())
        await trio.sleep(work.SILENCE_S)
        await talk.say()
        for _ in range(turns):
            await talk.sink.begun.wait()
            await trio.sleep(INTO_REPLY_S)
            seen = {name: len(at) for name, at in times.at.items()}
            number = await talk.say()
            began = talk.began[number]
            ducked, confirmed = (
                times.at[name][seen.get(name, 0)] for name in ("ducked", "interrupted")
            )
            last = talk.sink.frames[-1].time
            rows.append(
                (ducked - began, last - began, confirmed - began, last - confirmed)
            )
    names = ("ducked", "last_frame", "confirmed", "last_frame_after_confirmed")
    columns = zip(names, zip(*rows, strict=True), strict=True)
    return {"heard": "by a client of murmurd" if mumble else "in process"} | {
        f"{name}_ms": percentiles([value * 1000 for value in column])
        for name, column in columns
    }


async def measure_both(turns: int) -> list[Row]:
    """In process and through murmurd, at once."""
    rows: list[Row] = [{}, {}]

    async def one(index: int) -> None:
        rows[index] = await measure(turns, mumble=bool(index))

    async with trio.open_nursery() as nursery:
        for index in range(len(rows)):
            nursery.start_soon(one, index)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=50)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with hold_ups() as held_up:
        rows = trio.run(measure_both, args.turns)
    report(rows, {**conditions(load), **held_up.row()}, as_json=args.json)


if __name__ == "__main__":
    main()
