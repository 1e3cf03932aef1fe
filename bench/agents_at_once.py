"""Several agents in one process: what each further one costs while nobody speaks.

    python -m bench.agents_at_once [--agents 20] [--rounds 3] [--idle-s 20] [--json]

The real program with an embedded Mumble server, the tiny recognizer, espeak-ng and the
echo model; each agent is in a channel of its own. `ready_ms` is from the start of the
process until all of them listen, `rss_mb` its memory after `--idle-s` seconds, `pss_mb`
the same with what other processes map, too, counted in parts, `cpu_percent` what it
computed in those seconds, of one core. murmurd is a process of its own and not counted.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.agents import Row, conditions, settings, with_settings
from bench.printing import report

TICKS_PER_S = os.sysconf("SC_CLK_TCK")


def entries(agents: int) -> str:
    """What `--set` takes for so many agents; for one, none."""
    tables = [
        {"mumble": {"user": f"Robo{i}", "channel": f"Room{i}"}} for i in range(agents)
    ]
    texts = (
        "{mumble = {" + ", ".join(f"{k} = {json.dumps(v)}" for k, v in m.items()) + "}}"
        for m in (table["mumble"] for table in tables)
    )
    return f"agents=[{', '.join(texts)}]"


def measure(agents: int, idle_s: float, folder: Path) -> Row:
    """Start it, leave it alone, look, and stop it."""
    overrides = settings(folder, status__socket="off")
    if agents > 1:
        overrides.append(entries(agents))
    command = with_settings([sys.executable, "-m", "trioagent", "--json"], overrides)
    began = time.perf_counter()
    log = folder / "agents.log"
    with (
        log.open("w", encoding="utf-8") as errors,
        subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            for _ in range(agents):
                line = process.stdout.readline()
                if "ready" not in line:
                    sys.exit(f"not all listen:\n{log.read_text()}")
            ready_ms = (time.perf_counter() - began) * 1000
            time.sleep(2)  # until what starts has settled
            before_s, since = cpu_s(process.pid), time.perf_counter()
            time.sleep(idle_s)
            computed_s = cpu_s(process.pid) - before_s
            took_s = time.perf_counter() - since
            rss_mb, pss_mb = memory_mb(process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
    return {
        "agents": agents,
        "ready_ms": ready_ms,
        "rss_mb": rss_mb,
        "pss_mb": pss_mb,
        "cpu_percent": 100 * computed_s / took_s,
    }


def cpu_s(process: int) -> float:
    """What all threads of a process have computed so far."""
    text = Path(f"/proc/{process}/stat").read_text(encoding="ascii")
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def memory_mb(process: int) -> tuple[float, float]:
    """Resident, and with shared pages counted in parts."""
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii")
    rows = dict(line.split(":", 1) for line in text.splitlines()[1:])
    rss, pss = (int(rows[key].split()[0]) * 1024 / 1e6 for key in ("Rss", "Pss"))
    return rss, pss


def medians(rows: list[Row]) -> Row:
    """Of each key over all rounds."""
    return {
        key: round(statistics.median(row[key] for row in rows), 2) for key in rows[0]
    }


def further(one: Row, many: Row) -> Row:
    """What each agent beyond the first costs."""
    count = many["agents"] - one["agents"]
    costs = {
        f"{key}_per_further_agent": round((many[key] - one[key]) / count, 3)
        for key in one
        if key != "agents"
    }
    return {"agents": f"{one['agents']} and {many['agents']}", **costs}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--idle-s", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    measured: dict[int, list[Row]] = {1: [], args.agents: []}
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_STATE_HOME"] = name
        for _ in range(args.rounds):
            # In turns, so that both see the same machine.
            for agents, rows in measured.items():
                rows.append(measure(agents, args.idle_s, Path(name)))
    one, many = (medians(rows) for rows in measured.values())
    conds = conditions(load) | {"rounds": args.rounds, "idle_s": args.idle_s}
    report([one, many, further(one, many)], conds, as_json=args.json)


if __name__ == "__main__":
    main()
