"""Asks nvidia-smi about the cards of this machine, with a time limit."""

from __future__ import annotations

import os
import subprocess
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from trioagent.fitting.cards import (
    BASIC_FIELDS,
    CARD_FIELDS,
    PROCESS_FIELDS,
    Card,
    parse_cards,
    parse_processes,
    visible,
    with_processes,
    with_slices,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LIMIT_S = 5.0
"""Without a daemon that keeps it, the driver is loaded first: that takes seconds."""
PROGRAM = "nvidia-smi"


@attrs.frozen
class Cards:
    """The cards that models can use; if none, why, and what could be done.

    `broken`: there should be some, but nvidia-smi failed.
    """

    cards: tuple[Card, ...] = ()
    reason: str = ""
    hint: str = ""
    broken: bool = False


@attrs.frozen
class _Answer:
    status: int
    text: str


# What it says, and what helps.
_TROUBLES = (
    (
        "couldn't communicate with the NVIDIA driver",
        "The driver is not loaded: install it, or reboot if it was just updated.",
    ),
    (
        "version mismatch",
        "The driver was updated while the old one was loaded: reboot.",
    ),
    (
        "Insufficient Permissions",
        "Let this user read and write /dev/nvidia*; a container needs `--gpus all`.",
    ),
    (
        "Unknown Error",
        "In a container: start it again, it has lost its devices.",
    ),
)


async def read_cards(environ: Mapping[str, str] = os.environ) -> Cards:
    """Return the cards that CUDA would find here. Takes `LIMIT_S` at most.

    If cancelled, nvidia-smi is left behind, and killed when its time is over.
    """
    with trio.move_on_after(LIMIT_S):
        return await _read(environ)
    return silent()


async def _read(environ: Mapping[str, str]) -> Cards:
    await trio.lowlevel.checkpoint()
    try:
        answer = await _ask("--query-gpu", CARD_FIELDS, environ)
        fields: Sequence[str] = CARD_FIELDS
        if "not a valid field" in answer.text:
            fields = BASIC_FIELDS
            answer = await _ask("--query-gpu", fields, environ)
        processes = await _ask("--query-compute-apps", PROCESS_FIELDS, environ)
        listing = await _run(["-L"], environ)
    except OSError as error:
        return _not_run(error)
    except subprocess.TimeoutExpired:
        return silent()
    cards = parse_cards(answer.text, fields)
    if not cards:
        return trouble(answer.status, answer.text)
    cards = with_slices(cards, listing.text)
    cards = with_processes(cards, parse_processes(processes.text))
    return usable(cards, environ)


def silent() -> Cards:
    """What it means that nvidia-smi does not answer."""
    return Cards(
        reason=f"{PROGRAM} did not answer in {LIMIT_S:g} s",
        hint="The driver hangs: the kernel's log (dmesg) has lines that begin with "
        "NVRM.",
        broken=True,
    )


def usable(cards: tuple[Card, ...], environ: Mapping[str, str]) -> Cards:
    """Leave out what CUDA cannot use."""
    seen = visible(cards, environ)
    whole = tuple(card for card in seen if not card.partitioned)
    if whole:
        return Cards(whole)
    if seen:
        return Cards(
            reason=f"{seen[0].name} is in MIG mode and has no instance",
            hint="Make one (sudo nvidia-smi mig -cgi PROFILE -C), or end MIG mode.",
            broken=True,
        )
    wanted = environ.get("CUDA_VISIBLE_DEVICES", "")
    return Cards(reason=f'CUDA_VISIBLE_DEVICES is "{wanted}", which names no card here')


def trouble(status: int, text: str) -> Cards:
    """What it means that nvidia-smi named no card."""
    said = " ".join(text.split())
    if "No devices were found" in said or (status == 0 and not said):
        return Cards(reason="the NVIDIA driver finds no card")
    hint = next((help_ for sign, help_ in _TROUBLES if sign in said), "")
    reason = f"{PROGRAM} failed (exit status {status}): {said[:200] or 'no output'}"
    return Cards(reason=reason, hint=hint, broken=True)


def _not_run(error: OSError) -> Cards:
    if isinstance(error, FileNotFoundError):
        return Cards(reason=f"{PROGRAM} is not installed")
    return Cards(reason=f"{PROGRAM} cannot be run: {error.strerror}", broken=True)


async def _ask(
    query: str, fields: Sequence[str], environ: Mapping[str, str]
) -> _Answer:
    return await _run(
        [f"{query}={','.join(fields)}", "--format=csv,noheader,nounits"], environ
    )


async def _run(words: Sequence[str], environ: Mapping[str, str]) -> _Answer:
    ask = partial(
        subprocess.run,
        [PROGRAM, *words],
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT_S,
        check=False,
        encoding="utf-8",
        errors="replace",
    )
    # In a thread that can be left behind: with a driver that hangs, nvidia-smi cannot
    # even be killed, and Trio waits for the processes that it runs.
    done = await trio.to_thread.run_sync(ask, abandon_on_cancel=True)
    return _Answer(done.returncode, done.stdout)
