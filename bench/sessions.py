"""What one process bears: so many scripted conversations at once.

    python -m bench.sessions [--sessions 1 20] [--turns 12] [--vad none|silero] [--json]

All agents share one event loop. `cores` is processor time by wall time, the scripted
user's and parts' included; `lateness_ms` is a frame's, after where the talk spurt's
first frame put it. `rss_mb` is the process's at its highest, `mb_per_agent` what each
agent after the first one added to it. `bench.floor` does the same by hand.
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import trio

from bench import floor, scripted, work
from bench.agents import Row, conditions
from bench.hold_ups import hold_ups
from bench.printing import percentiles, report
from trioagent.app import open_vad
from trioagent.config import Config, VadConfig
from trioagent.interfaces import VadStream, VoiceActivityDetector
from trioagent.journal.latency import counts

if TYPE_CHECKING:
    from trioagent.interfaces import Pcm
    from trioagent.journal.events import Event, TurnJournal


@attrs.define(eq=False)
class Measured:
    """What all conversations came to."""

    ttfas_ms: list[float] = attrs.Factory(list)
    lateness_ms: list[float] = attrs.Factory(list)
    underruns: int = 0
    talk_s: float = 0.0
    """Of one conversation."""

    def observe(self, journal: TurnJournal, event: Event) -> None:
        """Count a turn."""
        if event.name == "outcome":
            self.underruns += counts(journal.events)["underruns"]

    def spurt(self, frames: list[scripted.Frame]) -> None:
        """Note how late each frame was."""
        start = frames[0].time
        self.lateness_ms += [
            (frame.time - start - index * work.FRAME_S) * 1000
            for index, frame in enumerate(frames)
        ]


async def converse(
    seed: int, turns: int, vad: VoiceActivityDetector, measured: Measured
) -> None:
    """One conversation; it begins at a moment of its own."""
    talk = scripted.Conversation(
        scripted.config("off"), seed=seed, vad=vad, observers=[measured.observe]
    )
    await trio.sleep(seed * 0.137 % 2)
    async with talk.running():
        for _ in range(turns):
            await trio.sleep(work.SILENCE_S)
            number = await talk.say()
            frames = await talk.sink.spurt()
            ttfa_s = frames[0].time - talk.spoke_until[number]
            measured.ttfas_ms.append((ttfa_s - work.CRITICAL_PATH_S) * 1000)
            measured.spurt(frames)


async def measure(sessions: int, turns: int, vad_name: str) -> Row:
    """So many conversations at once."""
    measured = Measured()
    async with AsyncExitStack() as stack:
        vad: VoiceActivityDetector = scripted.Loudness()
        if vad_name != "none":
            chosen = Config(vad=VadConfig(provider=vad_name))
            vad = await stack.enter_async_context(open_vad(chosen))
            vad = Both(vad)
        began, cpu = time.monotonic(), time.process_time()
        async with trio.open_nursery() as nursery:
            for seed in range(sessions):
                nursery.start_soon(converse, seed, turns, vad, measured)
    minutes = (time.monotonic() - began) / 60
    cpu_s = time.process_time() - cpu
    return {
        "sessions": sessions,
        "vad": vad_name,
        "overhead_ms": percentiles(measured.ttfas_ms),
        "lateness_ms": percentiles(measured.lateness_ms),
        "underruns": measured.underruns,
        "cpu_s_per_minute": round(cpu_s / minutes / sessions, 3),
        "cores": round(cpu_s / minutes / 60, 3),
    }


@attrs.frozen(eq=False)
class Both:
    """Computes a real detector's probability, and goes by the loudness.

    The script's sound is noise, which no good detector takes for speech.
    """

    real: VoiceActivityDetector

    def stream(self) -> BothStreams:
        """One speaker's."""
        return BothStreams(self.real.stream())


@attrs.frozen(eq=False)
class BothStreams:
    """One speaker's."""

    real: VadStream

    @property
    def frame_samples(self) -> int:
        """The real one's."""
        return self.real.frame_samples

    def probability(self, frame: Pcm) -> float:
        """1 or 0, at the real one's cost."""
        self.real.probability(frame)
        return float(frame[-1] != 0)

    def reset(self) -> None:
        """Forget."""
        self.real.reset()


def rss_mb() -> float:
    """Of this process, now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 1e6


async def memory(agents: int) -> Row:
    """What agents that have each had a turn take; each after the first one."""
    sizes = [rss_mb()]
    async with AsyncExitStack() as stack:
        for seed in range(agents):
            talk = scripted.Conversation(scripted.config("off"), seed=seed)
            await stack.enter_async_context(talk.running())
            await talk.say()
            sizes.append(rss_mb())
    each = (sizes[-1] - sizes[1]) / (agents - 1)
    return {
        "agents": agents,
        "rss_mb": round(sizes[1], 1),
        "mb_per_agent": round(each, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 20])
    parser.add_argument("--turns", type=int, default=12)
    parser.add_argument("--vad", choices=("none", "silero"), default="none")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    rows = [trio.run(memory, 20)]
    with hold_ups() as held_up:
        for sessions in args.sessions:
            by_hand = floor.measure(args.turns, sessions)
            rows.append({"by hand": True, **by_hand})
            rows.append(trio.run(measure, sessions, args.turns, args.vad))
    report(rows, {**conditions(load), **held_up.row()}, as_json=args.json)


if __name__ == "__main__":
    main()
