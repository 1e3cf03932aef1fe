"""What can be typed after `trioagent`."""

from __future__ import annotations

import argparse
import importlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from trioagent.configuration.file import load_config

if TYPE_CHECKING:
    from trioagent.config import Config

Command = Callable[[argparse.Namespace], int]


def parser() -> argparse.ArgumentParser:
    """The parser; `parse_args` gives a namespace whose `command` runs it."""
    common = _common()
    top = argparse.ArgumentParser(
        prog="trioagent",
        description="A voice agent for Mumble. Without a command, it joins the room "
        "and talks.",
        parents=[common],
    )
    top.add_argument(
        "--watch", action="store_true", help="show the turns as they go, on stderr"
    )
    version = f"trioagent {metadata.version('trioagent')}"
    top.add_argument(
        "--record", type=Path, metavar="DIR", help="record every turn into this folder"
    )
    top.add_argument("--version", action="version", version=version)
    top.set_defaults(
        config=None,
        overrides=[],
        json=False,
        log_level="info",
        command=_lazily("trioagent.cli.run"),
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    _add_call(commands, common)
    _add_replay(commands, common)
    _add_latency(commands, common)
    _add_tune(commands, common)
    _add_models(commands, common)
    _add_serve(commands, common)
    doctor = commands.add_parser(
        "doctor",
        parents=[common],
        help="check libraries, models, server and endpoints, and say what to do",
        description="Opens each part as the agent would, measures how quick it is on "
        "this machine, and compares the set with the card's memory and the cores.",
    )
    doctor.add_argument(
        "--quick", action="store_true", help="measure nothing, ask no model for a reply"
    )
    doctor.set_defaults(command=_lazily("trioagent.cli.doctor"))
    return top


def config_of(given: argparse.Namespace) -> Config:
    """The configuration that was asked for on the command line."""
    return load_config(given.config, given.overrides)


def _common() -> argparse.ArgumentParser:
    # No defaults in here: a command's would hide what was given before its name.
    common = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    common.add_argument(
        "--config", type=Path, metavar="FILE", help="configuration file (TOML)"
    )
    common.add_argument(
        "--set",
        dest="overrides",
        action="append",
        metavar="SECTION.KEY=VALUE",
        help="override one key of the configuration (repeatable)",
    )
    common.add_argument(
        "--json", action="store_true", help="one JSON object per line on stdout"
    )
    common.add_argument(
        "--log-level", choices=["debug", "info", "warning", "error"], help="stderr"
    )
    return common


def _add_call(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    call = commands.add_parser(
        "call",
        parents=[common],
        help="join as another user, speak, listen, and say what was heard when",
        description="Joins the agent's channel as another user, plays recordings or "
        "says texts in real time, and reports when the reply came.",
    )
    add = call.add_argument
    add("wavs", nargs="*", type=Path, metavar="WAV", help="recordings to play")
    add("--say", action="append", default=[], metavar="TEXT", help="a text to say")
    add("--user", default="caller", help="our name in the room (default: caller)")
    add("--interrupt-with", type=Path, metavar="WAV", help="interrupt each reply")
    add("--interrupt-say", metavar="TEXT", help="interrupt each reply with a text")
    add("--interrupt-at", type=float, default=1.0, metavar="S",
        help="seconds into the reply (default: 1)")  # fmt: skip
    add("--release", choices=["voice", "ptt", "none"], default="voice",
        help="how our talk spurts end: by voice activation, by a key that is let go, "
        "or without a sign (default: voice)")  # fmt: skip
    add("--hold-ms", type=float, default=200.0,
        help="silence sent before voice activation stops (default: 200)")  # fmt: skip
    add("--timeout", type=float, default=15.0, metavar="S",
        help="how long to wait for a reply (default: 15)")  # fmt: skip
    add("--save", type=Path, metavar="WAV", help="write the replies to a file")
    add("--transcribe", action="store_true", help="say what we heard in words")
    call.set_defaults(command=_lazily("trioagent.cli.call"))


def _add_latency(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
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
    latency.set_defaults(command=_lazily("trioagent.cli.latency"))


def _add_replay(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
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
    replay.set_defaults(command=_lazily("trioagent.cli.replay"))


def _add_tune(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
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
    tune.set_defaults(command=_lazily("trioagent.cli.tune"))


def _add_serve(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    serve = commands.add_parser(
        "serve",
        parents=[common],
        help="offer a recognizer or a synthesizer to other programs (Wyoming)",
        description="Loads a recognizer or a synthesizer and serves it with the "
        "Wyoming protocol: to agents on this or other machines, or to Home Assistant.",
    )
    add = serve.add_argument
    add("kind", choices=["asr", "tts"], help="what to serve")
    add("--provider", default="", metavar="NAME",
        help="which one (default: the configuration's)")  # fmt: skip
    add("--uri", default="", metavar="URI",
        help="where to listen: tcp://host:port or unix:///path (default: "
        "tcp://127.0.0.1:10300 for asr, port 10200 for tts)")  # fmt: skip
    add("--language", dest="languages", action="append", metavar="CODE",
        help="what it understands or speaks, to tell clients (repeatable; default: "
        "en)")  # fmt: skip
    add("--max-connections", type=int, default=64, metavar="N",
        help="clients at a time (default: 64)")  # fmt: skip
    add("--idle-timeout", type=float, default=300.0, metavar="S",
        help="close connections on which nothing happens (default: 300)")  # fmt: skip
    add("--max-utterance", type=float, default=120.0, metavar="S",
        help="the longest utterance (default: 120)")  # fmt: skip
    serve.set_defaults(command=_lazily("trioagent.cli.serve"))


def _add_models(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    models = commands.add_parser(
        "models",
        parents=[common],
        help="list models by name, download them, say where they lie",
        description="Knows models by name, downloads them into a folder "
        "(TRIOAGENT_MODELS names another), and says where they lie.",
    )
    models.set_defaults(command=_lazily("trioagent.cli.models"))
    actions = models.add_subparsers(dest="action", required=True, metavar="ACTION")
    listing = actions.add_parser("list", parents=[common], help="the models there are")
    listing.add_argument(
        "names", nargs="*", metavar="NAME", help="tell all about these"
    )
    listing.add_argument("--kind", choices=["asr", "tts", "vad"], help="only these")
    pull = actions.add_parser("pull", parents=[common], help="download and unpack")
    pull.add_argument("names", nargs="+", metavar="NAME", help="as `list` has it")
    pull.add_argument("--trust-first", action="store_true",
        help="accept a file whose checksum is not known; it must stay the same from "
        "then on")  # fmt: skip
    pull.add_argument("--again", action="store_true",
        help="even if it is there; what is there stays until then")  # fmt: skip
    path = actions.add_parser("path", parents=[common], help="the folder of a model")
    path.add_argument("name", metavar="NAME", help="as `list` has it")


def _lazily(module: str) -> Command:
    """A command whose module is imported when it runs: `--help` stays quick."""

    def command(given: argparse.Namespace) -> int:
        run: Command = importlib.import_module(module).run
        return run(given)

    return command
