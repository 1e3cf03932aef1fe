"""How well and how quickly the agent answers: a real conversation over a real server.

    python -m bench.conversation [--utterances 20] [--release voice|ptt|none]
        [--interrupt stop] [--early-start off|pause|prefix] [--json]

Starts an agent (embedded murmurd on a free port, the tiny recognizer, echo, espeak) in
a process of its own, and calls it from another with `trioagent call`. The sentences are
made of the tiny recognizer's 206 words; the list is fixed.

What is printed: how many transcripts of the reply equal what was said; `ttfa_ms`, by
the caller's clock, from its last packet with speech to the first of the reply; the same
without the silence that the agent was told to wait for (its hold: which of `[turn]`
`min_hold_ms`, `hold_ms` and `max_hold_ms` the words called for); and `stop_ms`, from
the first interrupting packet to the agent's last one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from bench.agents import MODEL, Row, conditions
from trioagent.config import TurnConfig
from trioagent.decisions.endpointing import Endpointer
from trioagent.decisions.text import same_words

if TYPE_CHECKING:
    from collections.abc import Iterator

SENTENCES = (
    "hello can you hear me",
    "turn on the light in the kitchen",
    "call alice tomorrow",
    "what time is it in london",
    "set a timer for ten minutes",
    "tell me a story about bob",
    "is it cold in berlin",
    "i would like some coffee",
    "open the window",
    "play music in the bedroom",
    "the meeting is on monday",
    "what is seven plus five",
    "book a flight to paris on friday",
    "good morning",
    "turn off the radio",
    "i live in madrid",
    "make the lights blue",
    "thank you very much",
    "will it rain in rome today",
    "my name is emma",
)
# Long enough to be interrupted a second into its echo.
LONG_SENTENCE = "turn on the light in the kitchen and tell me a story about {}"
NAMES = ("alice", "bob", "carol", "david", "emma", "frank")


def sentences(count: int, *, long: bool) -> list[str]:
    if long:
        return [LONG_SENTENCE.format(NAMES[i % len(NAMES)]) for i in range(count)]
    return [SENTENCES[i % len(SENTENCES)] for i in range(count)]


@contextmanager
def running_agent(options: list[str], environ: dict[str, str]) -> Iterator[None]:
    """Run an agent until the block ends; it is in its room when the block begins."""
    command = [sys.executable, "-m", "trioagent", *options, "--json"]
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            command, env=environ, stdout=subprocess.PIPE, stderr=log, text=True
        ) as agent,
    ):
        try:
            if agent.stdout is None or "ready" not in agent.stdout.readline():
                log.seek(0)
                sys.exit(f"the agent did not start:\n{log.read()}")
            yield
        finally:
            agent.send_signal(signal.SIGTERM)


def called(options: list[str], said: list[str], environ: dict[str, str]) -> list[Row]:
    """Call the agent; return a row per utterance."""
    command = [sys.executable, "-m", "trioagent", "call", *options, "--json"]
    command += ["--transcribe", "--log-level", "warning"]
    command += [word for text in said for word in ("--say", text)]
    done = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=False)
    return [json.loads(line) for line in done.stdout.splitlines()]


def configured_hold_ms(row: Row, args: argparse.Namespace) -> float:
    """The silence that the agent was told to wait for after these words."""
    if args.release == "ptt":
        return 0.0  # the released key ends the turn at once
    endpointer = Endpointer(TurnConfig(), 0.0)
    # The echo says what the agent understood, unless it was cut short.
    endpointer.words(row["said"] if args.interrupt else row["transcript"])
    return endpointer.hold_s * 1000


def report(rows: list[Row], turns: list[Row], args: argparse.Namespace) -> Row:
    """What the rows say together."""
    answered = [row for row in rows if not row["interrupts"]]
    timed = [row for row in answered if row["ttfa_ms"] is not None]
    summary: Row = {"utterances": len(answered), "answered": len(timed)}
    if not args.interrupt:
        other = [r for r in answered if not same_words(r["said"], r["transcript"])]
        summary["transcripts_equal"] = len(answered) - len(other)
        summary["heard_otherwise"] = [[r["said"], r["transcript"]] for r in other]
    summary["ttfa_ms"] = quantiles([row["ttfa_ms"] for row in timed])
    over = [row["ttfa_ms"] - configured_hold_ms(row, args) for row in timed]
    summary["ttfa_minus_hold_ms"] = quantiles(over)
    for key in ("duck_ms", "stop_ms"):
        times = [row[key] for row in answered if row.get(key) is not None]
        if times:
            summary[key] = {"count": len(times), **quantiles(times)}
    for key in ("vad_duration_ms", "asr_ms", "llm_ttft_ms", "tts_ttfa_ms"):
        times = [turn[key] for turn in turns if turn[key] is not None]
        summary[f"agent_{key}"] = quantiles(times)
    return summary


def quantiles(values: list[float]) -> dict[str, float]:
    if not values:
        return {}
    p50, p90, worst = np.percentile(values, [50, 90, 100]).round(1).tolist()
    return {"p50": p50, "p90": p90, "max": worst}


def conditions_of(args: argparse.Namespace, load_before: float) -> Row:
    """Where and how this was measured."""
    return {
        "command": "python -m bench.conversation " + " ".join(sys.argv[1:]),
        **conditions(load_before),
        "release": args.release,
        "early_start": args.early_start,
    }


def measure(args: argparse.Namespace, folder: Path) -> tuple[list[Row], list[Row]]:
    """Converse; return the caller's rows and the agent's own."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    settings = {
        "mumble.server": "embedded",
        "mumble.port": port,
        "asr.provider": "sherpa",
        "asr.model": json.dumps(str(MODEL)),
        "llm.providers": '["echo"]',
        "turn.early_start": args.early_start,
        "journal.latency_file": json.dumps(str(folder / "latency.jsonl")),
    }
    options = [word for k, v in settings.items() for word in ("--set", f"{k}={v}")]
    environ = {**os.environ, "XDG_STATE_HOME": str(folder)}
    said = sentences(args.utterances, long=bool(args.interrupt))
    calling = ["--release", args.release]
    if args.interrupt:
        calling += ["--interrupt-say", args.interrupt]
    with running_agent(options, environ):
        rows = called(options + calling, said, environ)
    lines = (folder / "latency.jsonl").read_text(encoding="utf-8").splitlines()
    return rows, [json.loads(line) for line in lines]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add = parser.add_argument
    add("--utterances", type=int, default=len(SENTENCES), metavar="COUNT")
    add("--release", choices=["voice", "ptt", "none"], default="voice")
    add("--interrupt", metavar="TEXT", help="say this into each reply")
    add("--early-start", choices=["off", "pause", "prefix"], default="pause")
    add("--json", action="store_true", help="one object, each utterance in it")
    args = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        rows, turns = measure(args, Path(folder))
    summary = {**conditions_of(args, load), **report(rows, turns, args)}
    if args.json:
        print(json.dumps({**summary, "rows": rows}))
    else:
        for key, value in summary.items():
            print(f"{key}: {value}")
    return 0 if summary["answered"] == args.utterances else 1


if __name__ == "__main__":
    sys.exit(main())
