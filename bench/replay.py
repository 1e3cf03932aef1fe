"""How many times faster than real time recorded turns run again, on one core.

    python -m bench.replay [FOLDER ...] [--rounds 5] [--json]

Loading, running and comparing, recording by recording; by default those of the tests.
"""

from __future__ import annotations

import argparse
import os
import time
from pathlib import Path

from bench.agents import conditions
from bench.printing import percentiles, report
from trioagent.recording.reader import find, load
from trioagent.replay.again import again
from trioagent.replay.compare import compare
from trioagent.replay.settings import recorded_config


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    where = Path(__file__).parents[1] / "tests/recordings"
    recordings = find(args.paths or [where])
    before = os.getloadavg()[0]
    recorded_s = loading_s = running_s = comparing_s = 0.0
    factors: list[float] = []
    turns = identical = 0
    for _ in range(args.rounds):
        for path in recordings:
            times = [time.perf_counter()]
            recording = load(path)
            times.append(time.perf_counter())
            made = again(recording, recorded_config(recording))
            times.append(time.perf_counter())
            results = compare(recording, made)
            times.append(time.perf_counter())
            turns += len(results)
            identical += sum(result.identical for result in results)
            loading_s += times[1] - times[0]
            running_s += times[2] - times[1]
            comparing_s += times[3] - times[2]
            recorded_s += recording.length_s
            factors.append(recording.length_s / (times[3] - times[0]))
    all_s = loading_s + running_s + comparing_s
    row = {
        "recordings": len(recordings),
        "recorded_s": round(recorded_s / args.rounds, 1),
        "identical": f"{identical} of {turns}",
        "times_real_time": round(recorded_s / all_s, 1),
        "running_alone": round(recorded_s / running_s, 1),
        "per_recording": percentiles(factors),
        "share": {
            "load": round(loading_s / all_s, 3),
            "run": round(running_s / all_s, 3),
            "compare": round(comparing_s / all_s, 3),
        },
    }
    report([row], conditions(before), as_json=args.json)


if __name__ == "__main__":
    main()
