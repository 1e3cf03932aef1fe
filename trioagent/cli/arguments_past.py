"""What can be typed after the commands that read what was written down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_latency(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    """`trioagent latency`."""
    latency = commands.add_parser(
        "latency",
        parents=[common],
        help="read latency.jsonl files: percentiles, where the time went, comparisons",
        description="Shows what the turns in latency.jsonl files cost, one file after "
        "the other: percentiles, and where the time from the end of speech to the "
        "first audio went in the median and the worst turns. '-' reads stdin.",
    )
    add = latency.add_argument
    add("files", nargs="+", type=Path, metavar="FILE", help="a latency.jsonl, or -")
    add("--compare", action="store_true",
        help="two files: by how much the medians of the second differ from those of "
        "the first, with 95%% confidence intervals")  # fmt: skip
    add("--html", type=Path, metavar="PAGE",
        help="also write a page for a browser; it needs no network")  # fmt: skip
    latency.set_defaults(command="trioagent.cli.latency")


def add_replay(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    """`trioagent replay`."""
    replay = commands.add_parser(
        "replay",
        parents=[common],
        help="run recorded turns again: the same, under other settings, or live",
        description="Runs recorded turns again on a virtual clock and compares the "
        "events with the recorded ones. With --set, says what other settings would "
        "have changed.",
    )
    add = replay.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH",
        help="a recording, or a folder of them")  # fmt: skip
    add("--jobs", type=int, default=None, metavar="N",
        help="processes at a time (default: one per core)")  # fmt: skip
    mode = replay.add_mutually_exclusive_group()
    mode.add_argument("--live", metavar="KINDS",
        help="run the recorded speech through today's providers, in real time: some of "
        "asr,llm,tts")  # fmt: skip
    mode.add_argument("--sweep", action="store_true",
        help="interrupt each turn before every step of every task, and look whether "
        "anything is left behind")  # fmt: skip
    mode.add_argument("--html", type=Path, metavar="FOLDER",
        help="write a page for each recording, to look at and listen to")  # fmt: skip
    add("--transcripts", type=Path, metavar="FILE",
        help="with --live: what was really said: RECORDING<tab>TEXT lines")  # fmt: skip
    add("--stride", type=int, default=1, metavar="N",
        help="with --sweep: only before every Nth step")  # fmt: skip
    replay.set_defaults(command="trioagent.cli.replay")


def add_tune(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    """`trioagent tune`."""
    tune = commands.add_parser(
        "tune",
        parents=[common],
        help="search the settings under which recorded turns are answered soonest",
        description="Runs recorded turns under many settings on a virtual clock, and "
        "proposes the quickest that does not cut in on speakers.",
    )
    add = tune.add_argument
    add("paths", nargs="+", type=Path, metavar="PATH",
        help="a recording, or a folder of them")  # fmt: skip
    add("--range", dest="ranges", action="append", default=[],
        metavar="SECTION.KEY=VALUES", help="what to search, as from:to:step or as a "
        "list a,b,c (repeatable)")  # fmt: skip
    add("--max-cut-ins", type=int, default=0, metavar="N",
        help="replies that may begin before the speech ends (default: 0)")  # fmt: skip
    add("--max-underruns", type=int, default=0, metavar="N",
        help="gaps that replies may have (default: 0)")  # fmt: skip
    add("--budget", type=int, default=300, metavar="N",
        help="settings to try; of more, a sample is tried (default: 300)")  # fmt: skip
    add("--write", type=Path, metavar="FILE",
        help="write the proposal as a piece of a configuration (TOML)")  # fmt: skip
    add("--html", type=Path, metavar="PAGE",
        help="also write a page for a browser; it needs no network")  # fmt: skip
    add("--jobs", type=int, default=None, metavar="N",
        help="processes at a time (default: one per core)")  # fmt: skip
    tune.set_defaults(command="trioagent.cli.tune")
