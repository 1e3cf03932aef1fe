"""What can be typed after `trioagent`."""

from __future__ import annotations

import argparse
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from trioagent.cli.arguments_live import add_call, add_models, add_serve
from trioagent.cli.arguments_past import add_latency, add_replay, add_tune
from trioagent.configuration.file import load_agents, load_config

if TYPE_CHECKING:
    from trioagent.config import Config


def parser() -> argparse.ArgumentParser:
    """The parser; `parse_args` gives a namespace.

    Its `command` is the module whose `run` runs it: imported only then, so that
    `--help` stays quick.
    """
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
        command="trioagent.cli.run",
    )
    commands = top.add_subparsers(title="commands", metavar="COMMAND")
    add_call(commands, common)
    add_replay(commands, common)
    add_latency(commands, common)
    add_tune(commands, common)
    add_models(commands, common)
    add_serve(commands, common)
    _add_status(commands, common)
    _add_doctor(commands, common)
    return top


def config_of(given: argparse.Namespace) -> Config:
    """The configuration that was asked for; of several agents, what all share."""
    return load_config(given.config, given.overrides)


def agent_configs_of(given: argparse.Namespace) -> tuple[Config, ...]:
    """The configuration of each agent."""
    return load_agents(given.config, given.overrides)


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


def _add_status(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
    status = commands.add_parser(
        "status",
        parents=[common],
        help="ask the running agent how it is",
        description="Asks the agent that runs on this machine as this user how it is. "
        "Exit status: 0 it is well, 1 it is not or nobody answers.",
    )
    status.add_argument(
        "--socket",
        metavar="PATH",
        help="where it answers (default: the configuration's [status] socket)",
    )
    status.set_defaults(command="trioagent.cli.status")


def _add_doctor(
    commands: argparse._SubParsersAction[argparse.ArgumentParser],
    common: argparse.ArgumentParser,
) -> None:
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
    doctor.set_defaults(command="trioagent.cli.doctor")
