"""What it costs to have the recognizer in another process, behind Wyoming.

    python -m bench.serve [--model tests/data/tiny-nemotron-160ms] [--clients 8]
        [--rounds 3] [--json]

Sentences are spoken by espeak-ng and fed in real time, in frames of 20 ms. `final_ms`
is the time from the end of the audio to the final transcript: with the recognizer in
this process, and with `trioagent serve asr` in another one over loopback, the same
sentences in turn. Then so many clients, each with a connection of its own, speak at
once to that one server, and what counts is how many transcripts are right.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import attrs
import trio

from bench.agents import conditions
from bench.printing import report
from providers.asr import sherpa, wyoming
from tests.helpers_speech import TINY_MODEL, frames, say
from trioagent.interfaces import FRAME_S

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trioagent.interfaces import Recognizer

SENTENCES = [
    "turn off the fan in the kitchen",
    "what is the weather like in paris tomorrow",
    "what time is it in tokyo",
    "turn off the radio in the bedroom",
    "tell me a story about alice",
    "book a flight to berlin on monday",
    "the meeting with carol is friday at ten",
    "set a timer for five minutes",
]


@attrs.frozen
class Heard:
    """One sentence's fate."""

    right: bool
    final_ms: float


@attrs.frozen
class Row:
    """One line of the table."""

    what: str
    sentences: int
    right: int
    final_ms_median: float
    final_ms_worst: float


async def speak(recognizer: Recognizer, sentence: str, heard: list[Heard]) -> None:
    pieces = frames(say(sentence), 320)
    async with recognizer.stream() as stream:
        began = trio.current_time()
        for number, piece in enumerate(pieces):
            await trio.sleep_until(began + number * FRAME_S)
            await stream.feed(piece)
        ended = trio.current_time()
        text = await stream.finish()
        took_ms = 1000 * (trio.current_time() - ended)
    heard.append(Heard(text == sentence, took_ms))


def row(what: str, heard: list[Heard]) -> Row:
    times = [one.final_ms for one in heard]
    right = sum(one.right for one in heard)
    median = round(statistics.median(times), 2)
    return Row(what, len(heard), right, median, round(max(times), 2))


@asynccontextmanager
async def served(model: str) -> AsyncIterator[str]:
    command = [sys.executable, "-m", "trioagent", "serve", "asr", "--provider"]
    command += ["sherpa", "--set", f"asr.sherpa.model={model}", "--json"]
    command += ["--uri", "tcp://127.0.0.1:0", "--log-level", "warning"]
    async with trio.open_nursery() as nursery:
        run = partial(trio.run_process, stdout=subprocess.PIPE, check=False)
        process: trio.Process = await nursery.start(run, command)
        assert process.stdout is not None
        yield json.loads(await process.stdout.receive_some())["uri"]
        process.terminate()


async def one_by_one(
    arguments: argparse.Namespace, here: Recognizer, there: Recognizer
) -> list[Row]:
    heard: dict[str, list[Heard]] = {"in this process": [], "served": []}
    for _ in range(arguments.rounds):
        for sentence in SENTENCES:
            await speak(here, sentence, heard["in this process"])
            await speak(there, sentence, heard["served"])
    return [row(what, found) for what, found in heard.items()]


async def at_once(arguments: argparse.Namespace, uri: str) -> Row:
    heard: list[Heard] = []

    async def client(number: int) -> None:
        async with wyoming.PROVIDER.open(wyoming.Options(uris=(uri,))) as recognizer:
            for _ in range(arguments.rounds):
                sentence = SENTENCES[number % len(SENTENCES)]
                await speak(recognizer, sentence, heard)

    async with trio.open_nursery() as nursery:
        for number in range(arguments.clients):
            nursery.start_soon(client, number, name=f"client {number}")
    return row(f"served, {arguments.clients} at once", heard)


async def measure(arguments: argparse.Namespace) -> list[Row]:
    async with (
        sherpa.PROVIDER.open(sherpa.Options(model=arguments.model)) as here,
        served(arguments.model) as uri,
        wyoming.PROVIDER.open(wyoming.Options(uris=(uri,))) as there,
    ):
        rows = await one_by_one(arguments, here, there)
        return [*rows, await at_once(arguments, uri)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=str(TINY_MODEL))
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    rows = trio.run(measure, arguments)
    costs = rows[1].final_ms_median - rows[0].final_ms_median
    found = [attrs.asdict(row) for row in rows]
    found[1]["costs_ms"] = round(costs, 2)
    report(found, conditions(load), as_json=arguments.json)


if __name__ == "__main__":
    main()
