"""What can be typed after the commands that talk, serve or download."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse


def add_call(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    """`trioagent call`."""
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
    add("--agent", default="", metavar="NAME",
        help="whom to call, of several agents (default: the first)")  # fmt: skip
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
    call.set_defaults(command="trioagent.cli.call")


def add_serve(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    """`trioagent serve`."""
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
    serve.set_defaults(command="trioagent.cli.serve")


def add_models(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    """`trioagent models` and its actions."""
    models = commands.add_parser(
        "models",
        parents=[common],
        help="list models by name, download them, say where they lie",
        description="Knows models by name, downloads them into a folder "
        "(TRIOAGENT_MODELS names another), and says where they lie.",
    )
    models.set_defaults(command="trioagent.cli.models")
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
